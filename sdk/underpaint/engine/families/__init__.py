"""Model families. A `*_plugin` module describes one without torch; its twin runs it."""
