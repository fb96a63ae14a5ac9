use proptest::prelude::*;

use super::{Framing, MAX_BODY, Part};

/// What a side has, in a line for each part.
fn parts(framing: &mut Framing, chunks: &[&[u8]]) -> Vec<String> {
    let mut found = Vec::new();
    for chunk in chunks {
        framing.data(chunk, &mut |part| {
            found.push(match part {
                Part::Message(head, body) => {
                    format!("message {} {}", head.number.unwrap_or(0), body.len())
                }
                Part::Frame { channel, bytes, cut } => {
                    format!("frame {channel} {} {cut}", bytes.len())
                }
            });
        });
    }
    found
}

fn frame(channel: u8, length: u16) -> Vec<u8> {
    let mut frame = vec![b'$', channel];
    frame.extend(length.to_be_bytes());
    frame.extend([0x80, 96]);
    frame.resize(4 + usize::from(length), 7);
    frame
}

const MESSAGE: &[u8] = b"SETUP rtsp://h/p RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn messages_and_frames_follow_each_other() {
    let stream = [MESSAGE, &frame(2, 100), &frame(0, 5000), b"\r\n", MESSAGE].concat();
    let expected = ["message 3 4", "frame 2 100 0", "frame 0 5000 0", "message 3 4"];
    assert_eq!(parts(&mut Framing::default(), &[&stream]), expected);
    // In single bytes, a long frame is cut.
    let bytes: Vec<_> = stream.chunks(1).collect();
    let expected = ["message 3 4", "frame 2 100 0", "frame 0 4096 904", "message 3 4"];
    assert_eq!(parts(&mut Framing::default(), &bytes), expected);
}

#[test]
fn behind_a_gap_frames_in_a_row_are_found() {
    let mut framing = Framing::default();
    let media = [frame(0, 50), frame(1, 60), frame(0, 70), frame(0, 80)].concat();
    framing.gap(9);
    assert_eq!(parts(&mut framing, &[&b"$$$ nothing of a frame".repeat(900)]), [""; 0]);
    let expected = ["frame 0 50 0", "frame 1 60 0", "frame 0 70 0", "frame 0 80 0"];
    assert_eq!(parts(&mut framing, &[&media]), expected);
    // A gap within a frame.
    let part = frame(0, 100);
    assert_eq!(parts(&mut framing, &[&part[..40]]), [""; 0]);
    framing.gap(20);
    assert_eq!(parts(&mut framing, &[&part[60..], MESSAGE]), ["frame 0 36 64", "message 3 4"]);
}

#[test]
fn a_long_body_is_read_in_part() {
    let head = b"ANNOUNCE rtsp://h/p RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 1000000\r\n\r\n";
    let mut framing = Framing::default();
    let body = vec![b'x'; 1_000_000];
    let expected = [format!("message 2 {MAX_BODY}"), "message 3 4".into()];
    assert_eq!(parts(&mut framing, &[head, &body, MESSAGE]), expected);
}

proptest! {
    #[test]
    fn parts_do_not_depend_on_segments(
        mutations in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        sizes in prop::collection::vec(1..300_usize, 1..20),
    ) {
        let mut stream = [MESSAGE, &frame(2, 100), &frame(0, 700), &frame(0, 20), &frame(1, 30), MESSAGE].concat();
        for (at, byte) in mutations {
            let at = at % stream.len();
            stream[at] = byte;
        }
        let mut framing = Framing::default();
        let mut rest = &stream[..];
        for size in sizes.iter().cycle() {
            let (chunk, behind) = rest.split_at((*size).min(rest.len()));
            parts(&mut framing, &[chunk]);
            rest = behind;
            prop_assert!(framing.memory() <= 64 * 1024);
            if rest.is_empty() {
                break;
            }
        }
    }
}
