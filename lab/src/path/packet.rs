//! How much TCP payload an IP packet carries: enough to count lost data apart from lost acknowledgements.

/// Payload bytes of a TCP packet; 0 for anything else.
pub(super) fn tcp_payload_bytes(packet: &[u8]) -> usize {
    payload(packet).unwrap_or(0)
}

fn payload(packet: &[u8]) -> Option<usize> {
    let (protocol, header, total) = match packet.first()? >> 4 {
        4 => (
            *packet.get(9)?,
            usize::from(packet[0] & 15) * 4,
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
        ),
        // The lab's stacks put no extension headers before TCP.
        6 => (*packet.get(6)?, 40, 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))),
        _ => return None,
    };
    const TCP: u8 = 6;
    if protocol != TCP {
        return None;
    }
    let tcp = usize::from(packet.get(header + 12)? >> 4) * 4;
    total.checked_sub(header + tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_what_follows_both_headers() {
        let mut packet = vec![0u8; 20 + 32 + 100];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&152u16.to_be_bytes());
        packet[9] = 6;
        packet[20 + 12] = 8 << 4;
        assert_eq!(tcp_payload_bytes(&packet), 100);
        packet[9] = 17;
        assert_eq!(tcp_payload_bytes(&packet), 0);
        assert_eq!(tcp_payload_bytes(&packet[..8]), 0);
        assert_eq!(tcp_payload_bytes(&[]), 0);
    }
}
