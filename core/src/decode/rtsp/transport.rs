//! How media is carried: the header field `Transport` (RFC 2326 section 12.39).

use super::sdp::number;

/// One way of carrying a media; what is not stated is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Transport {
    /// The channels of packets and reports in the connection.
    pub(super) interleaved: Option<(u8, u8)>,
    pub(super) client_ports: Option<(u16, u16)>,
    pub(super) server_ports: Option<(u16, u16)>,
    pub(super) is_multicast: bool,
}

/// Of the first way of a list.
pub(super) fn read(value: &[u8]) -> Transport {
    let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
    let mut transport = Transport::default();
    for parameter in first.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let at = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        match name {
            b"interleaved" => {
                let two = pair(value, |first: u8| first.wrapping_add(1));
                transport.interleaved = two;
            }
            b"client_port" => {
                transport.client_ports = pair(value, |first: u16| first.wrapping_add(1))
            }
            b"server_port" => {
                transport.server_ports = pair(value, |first: u16| first.wrapping_add(1))
            }
            b"multicast" => transport.is_multicast = true,
            _ => {}
        }
    }
    transport
}

/// Two numbers with a dash between; the second one follows the first one if it is not stated.
fn pair<T: std::str::FromStr + Copy>(value: &[u8], next: impl Fn(T) -> T) -> Option<(T, T)> {
    let mut numbers = value.split(|byte| *byte == b'-');
    let first = numbers.next().and_then(number)?;
    Some((first, numbers.next().and_then(number).unwrap_or_else(|| next(first))))
}

#[cfg(test)]
mod tests {
    use super::{Transport, read};

    #[test]
    fn ports_and_channels_are_pairs() {
        let udp =
            read(b"RTP/AVP;unicast;client_port=13958-13959;server_port=45800-45801,RTP/AVP/TCP");
        assert_eq!(udp.client_ports, Some((13_958, 13_959)));
        assert_eq!(udp.server_ports, Some((45_800, 45_801)));
        assert_eq!(udp.interleaved, None);
        let tcp = read(b"RTP/AVP/TCP;unicast; interleaved=2;mode=record");
        assert_eq!(tcp, Transport { interleaved: Some((2, 3)), ..Transport::default() });
        assert_eq!(read(b"RTP/AVP;client_port=99999"), Transport::default());
    }
}
