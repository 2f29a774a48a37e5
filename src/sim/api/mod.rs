//! The API server: protocol, storage, watches, admission. It is a server on a socket.
