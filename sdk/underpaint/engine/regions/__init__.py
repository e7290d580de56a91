"""Parts of a picture with prompts of their own: whose they are, and how a denoiser is told."""
