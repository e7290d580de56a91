"""Where components lie: disk, the machine's memory, the device's. Who stays when there is too little."""
