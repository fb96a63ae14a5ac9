//! Relay frames to bytes and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::types::{Family, RelayType};
use super::{FlowToken, FrameError, MAX_FRAME_BYTES, RelayFrame, RelayRefusal};
use crate::encoding::{Numbered, write_integer};
use crate::frames::fields::{Fields, write_frame, write_text};

impl RelayFrame {
    /// Appends the frame. Integers above 2^62 − 1 are written as that, and an address without its flow label and scope.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::new();
        let of = self.write_fields(&mut fields);
        write_frame(out, of, &fields);
    }

    /// Reads the frame that `bytes` begins with, and how many bytes it has; `None` when more must arrive.
    ///
    /// # Errors
    /// [`FrameError`]; the connection cannot go on, since the begin of the next frame is in doubt.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((of, mut fields, length)) = Fields::of_frame(bytes, MAX_FRAME_BYTES)? else {
            return Ok(None);
        };
        let frame = Self::read(of, &mut fields)?;
        fields.end()?;
        Ok(Some((frame, length)))
    }

    /// Appends the fields; returns the type.
    fn write_fields(&self, out: &mut Vec<u8>) -> RelayType {
        match self {
            Self::Hello { version } => {
                write_integer(out, *version);
                RelayType::Hello
            }
            Self::Register => RelayType::Register,
            Self::Registered => RelayType::Registered,
            Self::Request { key } => {
                out.extend(key);
                RelayType::Request
            }
            Self::Opened { flow, port, receiver } => {
                out.extend(flow.0);
                write_integer(out, (*port).into());
                write_address(out, *receiver);
                RelayType::Opened
            }
            Self::Invited { flow, port, sender_key } => {
                out.extend(flow.0);
                write_integer(out, (*port).into());
                out.extend(sender_key);
                RelayType::Invited
            }
            Self::Bound { flow } => {
                out.extend(flow.0);
                RelayType::Bound
            }
            Self::Closed { flow, reason } => {
                out.extend(flow.0);
                write_integer(out, reason.number());
                RelayType::Closed
            }
            Self::Refused { reason, text } => {
                write_integer(out, reason.number());
                write_text(out, text);
                RelayType::Refused
            }
            Self::Ping => RelayType::Ping,
            Self::Pong => RelayType::Pong,
        }
    }

    fn read(of: RelayType, fields: &mut Fields<'_>) -> Result<Self, FrameError> {
        Ok(match of {
            RelayType::Hello => Self::Hello { version: fields.integer("version")? },
            RelayType::Register => Self::Register,
            RelayType::Registered => Self::Registered,
            RelayType::Request => Self::Request { key: fields.array("key")? },
            RelayType::Opened => Self::Opened {
                flow: flow(fields)?,
                port: fields.port()?,
                receiver: read_address(fields)?,
            },
            RelayType::Invited => Self::Invited {
                flow: flow(fields)?,
                port: fields.port()?,
                sender_key: fields.array("sender key")?,
            },
            RelayType::Bound => Self::Bound { flow: flow(fields)? },
            RelayType::Closed => Self::Closed { flow: flow(fields)?, reason: reason(fields)? },
            RelayType::Refused => {
                Self::Refused { reason: reason(fields)?, text: fields.text("text")? }
            }
            RelayType::Ping => Self::Ping,
            RelayType::Pong => Self::Pong,
        })
    }
}

fn flow(fields: &mut Fields<'_>) -> Result<FlowToken, FrameError> {
    Ok(FlowToken(fields.array("flow")?))
}

fn reason(fields: &mut Fields<'_>) -> Result<RelayRefusal, FrameError> {
    Ok(RelayRefusal::from_number(fields.integer("reason")?))
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            write_integer(out, Family::V4.number());
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            write_integer(out, Family::V6.number());
            out.extend(ip.octets());
        }
    }
    write_integer(out, address.port().into());
}

fn read_address(fields: &mut Fields<'_>) -> Result<SocketAddr, FrameError> {
    let ip: IpAddr = match fields.numbered("family")? {
        Family::V4 => Ipv4Addr::from(fields.array::<4>("address")?).into(),
        Family::V6 => Ipv6Addr::from(fields.array::<16>("address")?).into(),
    };
    Ok(SocketAddr::new(ip, fields.port()?))
}
