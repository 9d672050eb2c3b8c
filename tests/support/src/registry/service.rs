//! The life of one request: recorded, perhaps spoilt, answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc::UnboundedSender;
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::body::{Body, Delivery};
use super::connection::{Ending, Wire};
use super::fault::{Fault, FaultId};
use super::front::Front;
use super::journal::{Recorded, Ticket};
use super::server::{Call, Handler};
use crate::background;

/// The largest body that is taken in.
const BODY_LIMIT: usize = 1 << 30;

/// What all connections of a listener share.
pub(super) struct Service {
    handler: Arc<dyn Handler>,
    front: Arc<Front>,
    tls: Option<TlsAcceptor>,
    port: u16,
}

/// What follows a request.
enum Outcome {
    Answer(Answer),
    End(Ending),
}

impl Service {
    pub(super) fn new(
        handler: Arc<dyn Handler>,
        front: Arc<Front>,
        tls: Option<TlsAcceptor>,
        port: u16,
    ) -> Self {
        Self { handler, front, tls, port }
    }

    pub(super) fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    pub(super) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        wire: &Arc<Wire>,
        end: &UnboundedSender<Ending>,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let recorded = self.recorded(&parts);
        let fault = self.front.script.claim(&recorded);
        let ticket = self.front.journal.record(recorded);
        let outcome = match fault {
            None => Outcome::Answer(self.honest(&parts, body, &ticket).await),
            Some((id, fault)) => self.faulty(&parts, body, &ticket, id, fault).await,
        };
        match outcome {
            Outcome::Answer(answer) => {
                ticket.answered(answer.status.as_u16());
                Ok(respond(answer, &parts.method, wire))
            }
            Outcome::End(ending) => {
                let _connection_gone = end.send(ending);
                std::future::pending().await
            }
        }
    }

    async fn faulty(
        self: &Arc<Self>,
        parts: &Parts,
        body: Incoming,
        ticket: &Ticket,
        id: Option<FaultId>,
        fault: Fault,
    ) -> Outcome {
        let answer = match fault {
            Fault::StallHeaders => std::future::pending().await,
            Fault::Reset => return Outcome::End(Ending::Reset),
            Fault::Garbage(bytes) => return Outcome::End(Ending::Garbage(bytes)),
            Fault::Status { code, headers, body } => Answer::scripted(code, &headers, body).with_length(),
            Fault::Redirect { to, code } => Answer::redirect(code, &to).with_length(),
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                self.honest(parts, body, ticket).await
            }
            Fault::StallUpload { after }
            | Fault::ResetUpload { after }
            | Fault::RefuseUpload { after, .. } => {
                if let Some(refusal) = self.handler.refusal(&call(parts, Bytes::new())) {
                    self.give_back(id);
                    refusal.with_length()
                } else {
                    return self.partial(parts, body, ticket, after, &fault).await;
                }
            }
            fault => {
                let answer = self.honest(parts, body, ticket).await;
                if answer.status == StatusCode::UNAUTHORIZED {
                    self.give_back(id);
                    answer
                } else if let Fault::LostAnswer = fault {
                    return Outcome::End(Ending::Reset);
                } else {
                    answer.altered_by(fault)
                }
            }
        };
        Outcome::Answer(answer)
    }

    /// Reads the body up to a point where the fault strikes.
    async fn partial(
        &self,
        parts: &Parts,
        mut body: Incoming,
        ticket: &Ticket,
        after: usize,
        fault: &Fault,
    ) -> Outcome {
        let (mut bytes, _whole) = read(&mut body, after, ticket).await;
        bytes.truncate(after);
        if let Fault::RefuseUpload { code, .. } = fault {
            return Outcome::Answer(Answer::scripted(*code, &[], Vec::new()).with_length());
        }
        self.handler.interrupted(&call(parts, bytes));
        match fault {
            Fault::ResetUpload { .. } => Outcome::End(Ending::Reset),
            _ => std::future::pending().await,
        }
    }

    /// What the handler answers. The body is read by a task of its own: hyper drops this one as soon as the
    /// connection breaks, but what came until then is to be kept.
    async fn honest(self: &Arc<Self>, parts: &Parts, mut body: Incoming, ticket: &Ticket) -> Answer {
        let (service, parts, ticket) = (Arc::clone(self), parts.clone(), ticket.clone());
        let reading = background::spawn(async move {
            let (bytes, whole) = read(&mut body, BODY_LIMIT, &ticket).await;
            let call = call(&parts, bytes);
            if whole {
                return service.handler.answer(&call);
            }
            service.handler.interrupted(&call);
            Answer::error(StatusCode::BAD_REQUEST, "SIZE_INVALID", "the body is broken or too large")
        });
        reading.await.expect("a handler does not panic").with_length()
    }

    fn give_back(&self, id: Option<FaultId>) {
        if let Some(id) = id {
            self.front.script.give_back(id);
        }
    }

    fn recorded(&self, parts: &Parts) -> Recorded {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Recorded {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            status: 0,
            body_length: 0,
            body_complete: false,
            host: host.unwrap_or_default().to_owned(),
            port: self.port,
            at: Instant::now(),
            kind: self.handler.kind(parts.uri.path()),
        }
    }
}

/// Reads a body until `enough` bytes have come, and says whether it ended before that.
async fn read(body: &mut Incoming, enough: usize, ticket: &Ticket) -> (Bytes, bool) {
    let mut bytes = BytesMut::new();
    while bytes.len() < enough {
        match body.frame().await {
            None => {
                ticket.body_ended();
                return (bytes.freeze(), true);
            }
            Some(Err(_)) => break,
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                ticket.body_read(data.len());
                bytes.extend_from_slice(data);
            }
        }
    }
    (bytes.freeze(), false)
}

fn call(parts: &Parts, body: Bytes) -> Call {
    Call {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
        body,
    }
}

fn respond(answer: Answer, method: &Method, wire: &Arc<Wire>) -> Response<Body> {
    let delivery: Delivery = answer.delivery;
    let body = if method == Method::HEAD { delivery.nothing() } else { delivery.of(answer.body, wire) };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}
