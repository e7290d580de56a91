"""The protocol's services: thin translations between messages and the daemon's parts."""
