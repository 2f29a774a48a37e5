//! One plain HTTP request, as a browser would send it through a forwarded port.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Read, Write};
use std::net::TcpStream;

/// The head and body that come back until the other end stops, or why nothing came.
pub fn get(address: &str, path: &str) -> Result<String, String> {
    let mut tcp = TcpStream::connect(address).map_err(|e| e.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    // The embedded cluster's pods keep the connection open: the length says where the answer ends.
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|n: usize| body.len() >= n) {
                return Ok(text);
            }
        }
        match tcp.read(&mut chunk).map_err(|e| e.to_string())? {
            0 => return if answer.is_empty() { Err("closed without an answer".into()) } else { Ok(text) },
            n => answer.extend_from_slice(&chunk[..n]),
        }
    }
}

/// The first `127.0.0.1:PORT` in a text.
pub fn address(text: &str) -> Option<String> {
    let at = text.find("127.0.0.1:")?;
    Some(text[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect())
}
