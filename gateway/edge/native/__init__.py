"""The listener on `pygrpc-native`: HTTP/2 in Rust, outside the interpreter's lock; calls come in bursts."""
