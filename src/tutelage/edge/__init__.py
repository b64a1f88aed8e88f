"""What a device needs: an exported file, its card, and nothing of PyTorch. No module here imports torch by itself."""
