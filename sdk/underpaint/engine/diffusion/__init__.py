"""Latent diffusion, whatever the model family: jobs, noise, pictures to latents and back, text, one step."""
