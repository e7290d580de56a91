"""Safety filters that travel with underpaint. Off unless settings or a policy file turn them on."""
