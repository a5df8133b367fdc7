//! What processes of scripts say, parsed. They are hostile: what cannot be parsed ends the process that said it.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::credit::{Credit, Loan};
use super::orders::ProcessId;
use crate::protocol::frame::split_head;
use crate::protocol::{Compiled, Effect, Frame, FrameKind, LogLine, Processed, Ready, Settled, Unfit};

/// A call of another server that a script makes.
#[derive(Debug)]
pub struct Fetch {
    /// Whose.
    pub dispatch: u64,
    /// The request.
    pub number: u32,
    /// What it asks for.
    pub head: Box<RawValue>,
    /// What it sends along.
    pub body: Bytes,
    /// Their bytes, until the call has begun: its own limits count them from then on.
    pub loan: Loan,
}

/// What a process says.
#[derive(Debug)]
#[allow(missing_docs, reason = "the frame kinds say what each is and what its parts are")]
pub enum Message {
    Ready(Ready),
    Loaded,
    /// A zygote has made a copy, with that system number, or says why it could not.
    Forked {
        child: ProcessId,
        result: Result<u32, String>,
    },
    /// A zygote has buried a copy that had grown by so many bytes.
    Reaped {
        child: ProcessId,
        how: String,
        grew: u64,
    },
    Compiling(u32),
    Compiled(Compiled),
    /// An action of an event begins, or has ended.
    Acting {
        dispatch: u64,
        begins: bool,
    },
    Request {
        dispatch: u64,
        number: u32,
        method: String,
        args: Box<RawValue>,
        loan: Loan,
    },
    Fetch(Fetch),
    Abandon {
        dispatch: u64,
        number: u32,
    },
    /// What a script did; or why it cannot be done, though it is JSON.
    Effect {
        dispatch: u64,
        number: u32,
        effect: Result<Box<Effect>, String>,
        loan: Loan,
    },
    Log {
        dispatch: u64,
        line: Box<LogLine>,
    },
    Processed {
        dispatch: u64,
        body: Bytes,
        processed: Box<Processed>,
        loan: Loan,
    },
    Settled {
        dispatch: u64,
        settled: Settled,
    },
    /// It waits; so many answers it has taken in.
    Waiting {
        dispatch: u64,
        answers: u32,
    },
    Resume {
        dispatch: u64,
        left: Bytes,
    },
    Free {
        dispatch: u64,
        unfit: Option<Unfit>,
    },
}

/// What a worker sent is no protocol.
#[derive(Debug)]
pub struct Broken {
    /// The dispatch it came in the name of, as far as known.
    pub dispatch: Option<u64>,
    /// What is wrong with it.
    pub why: String,
}

/// What a message counts beside its bytes: there are not very many small ones.
const FRAME: usize = 256;

/// Reads a frame.
pub(super) fn parse(frame: Frame, credit: &Arc<Credit>) -> Result<Message, Broken> {
    let dispatch = (frame.dispatch != 0).then_some(frame.dispatch);
    message(frame, credit).map_err(|why| Broken { dispatch, why })
}

fn message(frame: Frame, credit: &Arc<Credit>) -> Result<Message, String> {
    let Frame { kind, dispatch, number, body } = frame;
    Ok(match kind {
        FrameKind::Ready => Message::Ready(json(kind, &body)?),
        FrameKind::Loaded => Message::Loaded,
        FrameKind::Forked => {
            let pid = <[u8; 4]>::try_from(&*body).map(u32::from_le_bytes);
            let result = pid.map_err(|_| String::from_utf8_lossy(&body).into_owned());
            Message::Forked { child: number, result }
        }
        FrameKind::Reaped => {
            let (grew, how) =
                body.split_first_chunk().ok_or("bad Reaped frame: it does not say how much it had grown")?;
            let how = String::from_utf8_lossy(how).into_owned();
            Message::Reaped { child: number, how, grew: u64::from_le_bytes(*grew) }
        }
        FrameKind::Compiling => Message::Compiling(number),
        FrameKind::Compiled => Message::Compiled(json(kind, &body)?),
        FrameKind::Request => request(dispatch, number, body, credit)?,
        FrameKind::Fetch => {
            let loan = credit.lend(FRAME + body.len());
            let (head, body) = split_head(body).ok_or("bad Fetch frame: no head")?;
            // What it was read into is larger, and would be held as long as the call.
            let body = Bytes::copy_from_slice(&body);
            Message::Fetch(Fetch { dispatch, number, head: json(kind, &head)?, body, loan })
        }
        FrameKind::Abandon => Message::Abandon { dispatch, number },
        FrameKind::Effect => {
            Message::Effect { dispatch, number, effect: effect(&body)?, loan: credit.lend(FRAME + body.len()) }
        }
        FrameKind::Acting => Message::Acting { dispatch, begins: number != 0 },
        FrameKind::Log => Message::Log { dispatch, line: json(kind, &body)? },
        FrameKind::Processed => {
            let loan = credit.lend(FRAME + body.len());
            Message::Processed { dispatch, processed: json(kind, &body)?, body, loan }
        }
        FrameKind::Settled => Message::Settled { dispatch, settled: json(kind, &body)? },
        FrameKind::Waiting => Message::Waiting { dispatch, answers: number },
        // What it was read into is larger, and would be held until the event runs again.
        FrameKind::Resume => Message::Resume { dispatch, left: Bytes::copy_from_slice(&body) },
        FrameKind::Free => match number {
            0 => Message::Free { dispatch, unfit: None },
            reason => {
                let unfit = Unfit::from_number(reason).ok_or_else(|| format!("bad Free frame: reason {reason}"))?;
                Message::Free { dispatch, unfit: Some(unfit) }
            }
        },
        FrameKind::Hello
        | FrameKind::ReadHello
        | FrameKind::Read
        | FrameKind::Facts
        | FrameKind::Blobs
        | FrameKind::Packages
        | FrameKind::Load
        | FrameKind::Fork
        | FrameKind::Reap
        | FrameKind::Bots
        | FrameKind::Compile
        | FrameKind::Dispatch
        | FrameKind::Result
        | FrameKind::Cancel
        | FrameKind::Fetched => return Err(format!("a process of scripts must not send a {kind:?} frame")),
    })
}

fn json<T: DeserializeOwned>(kind: FrameKind, body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("bad {kind:?} frame: {error}"))
}

/// An effect. Scripts have their hands on what it says, so a wrong value is theirs to hear of; what is no JSON is not.
fn effect(body: &[u8]) -> Result<Result<Box<Effect>, String>, String> {
    match serde_json::from_slice(body) {
        Ok(effect) => Ok(Ok(effect)),
        Err(error) if error.is_data() => Ok(Err(error.to_string())),
        Err(error) => Err(format!("bad Effect frame: {error}")),
    }
}

fn request(dispatch: u64, number: u32, mut body: Bytes, credit: &Arc<Credit>) -> Result<Message, String> {
    let loan = credit.lend(FRAME + body.len());
    let length = if body.is_empty() { 0 } else { body.get_u8() as usize };
    if length == 0 || body.len() < length {
        return Err("bad Request frame: no method".to_owned());
    }
    let method =
        String::from_utf8(body.split_to(length).to_vec()).map_err(|_| "bad Request frame: method is no text")?;
    let args = json(FrameKind::Request, &body)?;
    Ok(Message::Request { dispatch, number, method, args, loan })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind, body: &'static [u8]) -> Frame {
        Frame { kind, dispatch: 3, number: 4, body: Bytes::from_static(body) }
    }

    #[test]
    fn a_request_is_a_method_and_its_arguments() {
        let parsed = parse(frame(FrameKind::Request, b"\x07kvs.get[\"a\",\"b\"]"), &Credit::new(1)).unwrap();
        let Message::Request { dispatch: 3, number: 4, method, args, .. } = parsed else { panic!("{parsed:?}") };
        assert_eq!((method.as_str(), args.get()), ("kvs.get", "[\"a\",\"b\"]"));
    }

    #[test]
    fn whatever_is_no_protocol_is_an_error_and_no_panic() {
        for (kind, body) in [
            (FrameKind::Request, &b""[..]),
            (FrameKind::Request, b"\xffkvs.get[]"),
            (FrameKind::Request, b"\x02\xff\xff[]"),
            (FrameKind::Request, b"\x07kvs.get["),
            (FrameKind::Fetch, b"\x02\0\0\0{"),
            (FrameKind::Fetch, b"\x01\0\0\0{body"),
            (FrameKind::Effect, b"\xff"),
            (FrameKind::Processed, b"[1"),
            (FrameKind::Dispatch, b"{}"),
            (FrameKind::Reaped, b"\x01\0\0\0\0\0\0"),
        ] {
            let breach = parse(frame(kind, body), &Credit::new(1)).unwrap_err();
            assert_eq!(breach.dispatch, Some(3), "{kind:?} {body:?}: its dispatch is named");
        }
    }

    #[test]
    fn an_effect_with_a_wrong_value_is_no_breach() {
        for body in [&br#"{"id":"x"}"#[..], b"{}", br#"{"id":"1","direction":7}"#] {
            let parsed = parse(frame(FrameKind::Effect, body), &Credit::new(1)).unwrap();
            assert!(matches!(parsed, Message::Effect { effect: Err(_), .. }), "{parsed:?}");
        }
    }
}
