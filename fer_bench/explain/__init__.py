"""What a trained network makes of pictures: its features before the classifier, and where its answers come from."""
