//! Answers: bodies, and the headers of a real API server.
use crate::api::meta::status::Status;
use async_compression::Level;
use async_compression::tokio::bufread::GzipEncoder;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::io;
use tokio_util::io::{ReaderStream, StreamReader};

/// A response body; an error in it breaks the connection.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
pub type Answer = Response<Body>;

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body without a known length.
pub fn stream(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    use futures::StreamExt;
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// A response of the given type, never cached.
pub fn answer(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON text, ending with a newline like Go's encoder.
pub fn json(code: u16, text: impl Into<Vec<u8>>) -> Answer {
    let mut text = text.into();
    text.push(b'\n');
    answer(code, "application/json", full(text))
}

/// Marks an answer that is compressed for clients that accept it: a list above 128 KiB.
#[derive(Clone, Copy, Debug)]
pub struct Large;

/// Compresses a large answer at the fastest level, as a real API server does.
pub fn gzip(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let plain = StreamReader::new(body.into_data_stream());
    let packed = ReaderStream::new(GzipEncoder::with_quality(plain, Level::Fastest));
    Response::from_parts(parts, stream(packed))
}

pub fn text(code: u16, text: impl Into<Bytes>) -> Answer {
    let mut response = answer(code, "text/plain; charset=utf-8", full(text));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer for a path without an API.
pub fn no_page() -> Answer {
    text(404, "404 page not found\n")
}

impl From<Status> for Answer {
    fn from(status: Status) -> Answer {
        let code = if status.code == 0 { 200 } else { status.code };
        let mut response = json(code, status.to_json());
        let headers = response.headers_mut();
        if status.code == 403 {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if let Some(after) = status.details.map(|d| d.retry_after_seconds).filter(|s| *s > 0) {
            headers.insert(header::RETRY_AFTER, after.into());
        }
        response
    }
}
