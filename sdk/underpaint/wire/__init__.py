"""Between types and protobuf, errors and statuses, processes and the files through which they meet."""
