"""Facts about the launcher of tritonserver, from the real one."""
