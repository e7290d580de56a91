"""What textures on a mesh need beyond a picture: their islands and what lies between them."""
