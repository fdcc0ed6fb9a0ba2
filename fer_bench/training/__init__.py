"""From samples to predictions: the only part that knows torch, mmengine and timm."""
