"""The pixel plane's store: files in the pixel folder, behind random handles, with leases and a quota."""
