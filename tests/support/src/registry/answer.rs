//! An answer before it is sent: the same for GET and HEAD, and for every fault to alter.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::body::Delivery;
use super::fault::Fault;

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) delivery: Delivery,
}

impl Answer {
    pub(super) fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), delivery: Delivery::Whole }
    }

    /// An error in the form of the distribution specification.
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": message, "detail": null }] }))
    }

    pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self::new(status).header(CONTENT_TYPE, "application/json").body(value.to_string())
    }

    pub(super) fn redirect(code: u16, to: &str) -> Self {
        Self::new(status(code)).header(LOCATION, to)
    }

    /// One more line of this header.
    pub(super) fn appended(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// `Content-Length` as the body has it; none where HTTP allows no body at all.
    pub(super) fn with_length(self) -> Self {
        if matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return self;
        }
        let length = self.body.len().to_string();
        self.header(CONTENT_LENGTH, &length)
    }

    /// The answer of [`Fault::Status`].
    pub(super) fn scripted(code: u16, headers: &[(String, String)], body: Vec<u8>) -> Self {
        let mut answer = Self::new(status(code)).body(body);
        for (name, value) in headers {
            answer = answer.appended(header_name(name), value);
        }
        answer
    }

    /// Lets a fault alter the answer; its length header is set by then.
    pub(super) fn altered_by(mut self, fault: Fault) -> Self {
        match fault {
            Fault::DigestHeader(value) => self.replace(DOCKER_CONTENT_DIGEST, value.as_deref()),
            Fault::ContentType(value) => self.replace(CONTENT_TYPE, value.as_deref()),
            Fault::Body(bytes) => {
                self.status = StatusCode::OK;
                self = self.body(bytes).with_length();
            }
            Fault::FlipBit(bit) => self.flip(bit),
            Fault::Shortened(by) => {
                let length = self.body.len().saturating_sub(by);
                self.body.truncate(length);
                self = self.with_length();
            }
            Fault::Lengthened(more) => {
                let longer = [&self.body[..], &more].concat();
                self = self.body(longer).with_length();
            }
            Fault::Promised(more) => {
                let promised = (self.body.len() + more).to_string();
                self.delivery = Delivery::Broken;
                self = self.header(CONTENT_LENGTH, &promised);
            }
            Fault::Altered { code, headers } => {
                self.status = code.map_or(self.status, status);
                for (name, value) in headers {
                    self.replace(header_name(&name), Some(&value));
                }
            }
            Fault::StallBody { after } => self.delivery = Delivery::Stall { after },
            Fault::Cut { after } => self.delivery = Delivery::Cut { after },
            Fault::Drip { bytes, every } => self.delivery = Delivery::Drip { bytes, every },
            Fault::NoContentLength => self = self.unmeasured(Delivery::Chunked),
            Fault::Endless => self = self.unmeasured(Delivery::Endless),
            // These come in the place of an answer, or before it, or keep it back.
            Fault::Delay(_)
            | Fault::StallHeaders
            | Fault::Reset
            | Fault::Garbage(_)
            | Fault::StallUpload { .. }
            | Fault::ResetUpload { .. }
            | Fault::RefuseUpload { .. }
            | Fault::LostAnswer
            | Fault::Status { .. }
            | Fault::Redirect { .. } => {}
        }
        self
    }

    fn flip(&mut self, bit: usize) {
        let mut bytes = self.body.to_vec();
        if !bytes.is_empty() {
            let place = bit / 8 % bytes.len();
            bytes[place] ^= 1 << (bit % 8);
        }
        self.body = bytes.into();
    }

    fn unmeasured(mut self, delivery: Delivery) -> Self {
        self.headers.remove(CONTENT_LENGTH);
        self.delivery = delivery;
        self
    }

    fn replace(&mut self, name: HeaderName, value: Option<&str>) {
        self.headers.remove(&name);
        if let Some(value) = value {
            self.headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status code")
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("a header name")
}
