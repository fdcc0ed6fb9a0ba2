"""Parts that more than one method is made of. A method's own parts stand in its own file."""
