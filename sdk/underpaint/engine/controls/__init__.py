"""Control images: what a picture keeps to. Families call this; nothing here knows one of them."""
