"""LoRAs at work: read with diffusers' converters, added beside the layers that they change."""
