//! In-order assembly: cases one by one, and any sequence of segments against a simple model.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use conns_core::decode::assembly::{
    Assembled, Assembler, AssemblyCounts, MAX_AHEAD, MAX_PENDING_BYTES, Room, Segment,
};
use proptest::prelude::*;

/// What an assembler handed over: `None` for a byte in a gap.
#[derive(Debug, Default, PartialEq, Eq)]
struct Output {
    bytes: Vec<Option<u8>>,
    ended_at: Option<u64>,
}

impl Output {
    fn add(&mut self, assembled: Assembled<'_>) {
        assert_eq!(self.ended_at, None, "nothing follows the end");
        match assembled {
            Assembled::Data { position, bytes } => {
                assert_eq!(position, self.bytes.len() as u64, "in order");
                assert!(!bytes.is_empty());
                self.bytes.extend(bytes.iter().map(|byte| Some(*byte)));
            }
            Assembled::Gap { position, bytes } => {
                assert_eq!(position, self.bytes.len() as u64, "in order");
                assert!(bytes > 0);
                self.bytes.resize((position + bytes) as usize, None);
            }
            Assembled::End { position } => self.ended_at = Some(position),
        }
    }

    fn text(&self) -> String {
        self.bytes.iter().map(|byte| byte.map_or('.', char::from)).collect()
    }
}

#[derive(Default)]
struct Run {
    assembler: Assembler,
    room: Room,
    output: Output,
}

impl Run {
    fn push(&mut self, segment: Segment<'_>) -> &mut Self {
        let output = &mut self.output;
        self.assembler.push(segment, &mut self.room, &mut |assembled| {
            output.add(assembled);
            0
        });
        assert_eq!(self.room.used(), self.assembler.pending_bytes());
        self
    }

    fn data(&mut self, sequence: u32, bytes: &str) -> &mut Self {
        self.push(data(sequence, bytes))
    }

    fn give_up(&mut self) -> &mut Self {
        let output = &mut self.output;
        self.assembler.give_up(&mut self.room, &mut |assembled| {
            output.add(assembled);
            0
        });
        assert_eq!(self.room.used(), 0);
        self
    }

    fn counts(&self) -> AssemblyCounts {
        *self.assembler.counts()
    }
}

fn data(sequence: u32, bytes: &str) -> Segment<'_> {
    Segment { sequence, bytes: bytes.as_bytes(), ..Segment::default() }
}

fn syn(sequence: u32) -> Segment<'static> {
    Segment { sequence, syn: true, ..Segment::default() }
}

#[test]
fn data_with_syn_and_fin_is_assembled_across_the_wrap() {
    let mut run = Run::default();
    run.push(Segment { bytes: b"ab", ..syn(u32::MAX - 1) });
    run.data(1, "cd").push(Segment { fin: true, ..data(3, "ef") });
    assert_eq!((run.output.text().as_str(), run.output.ended_at), ("abcdef", Some(6)));
    assert!(run.assembler.began_at_syn());
    run.data(3, "ef");
    assert_eq!(run.counts(), AssemblyCounts { bytes_after_end: 2, ..AssemblyCounts::default() });
}

#[test]
fn reordered_segments_wait_for_the_gap_to_be_filled() {
    let mut run = Run::default();
    run.push(syn(9)).data(14, "ef").data(12, "cd");
    assert_eq!(run.output.text(), "");
    run.data(10, "ab");
    assert_eq!(run.output.text(), "abcdef");
    assert_eq!(run.counts(), AssemblyCounts::default());
}

#[test]
fn the_bytes_seen_first_win_and_conflicts_are_counted() {
    let mut run = Run::default();
    run.push(syn(9)).data(12, "cd").data(11, "BCDE").data(10, "a");
    assert_eq!(run.output.text(), "aBcdE");
    assert_eq!((run.counts().conflicts, run.counts().repeated_bytes), (1, 2));
    run.data(10, "xyzzy!");
    assert_eq!(run.output.text(), "aBcdE!");
    assert_eq!(run.counts().conflicts, 1, "bytes handed over are not compared");
}

#[test]
fn a_stream_may_begin_in_the_middle_and_with_a_keep_alive() {
    let mut run = Run::default();
    run.push(Segment { sequence: 99, ..Segment::default() });
    run.data(100, "ab").data(90, "before").data(99, "a").data(102, "c");
    assert_eq!(run.output.text(), "abc");
    assert!(!run.assembler.began_at_syn());
    assert_eq!(run.counts().repeated_bytes, 7);
}

#[test]
fn gaps_are_given_up_when_the_source_reports_them() {
    let mut run = Run::default();
    run.push(syn(9)).data(10, "a").data(13, "d").data(16, "g");
    let output = &mut run.output;
    run.assembler.give_up_before(15, &mut run.room, &mut |assembled| {
        output.add(assembled);
        0
    });
    assert_eq!(run.output.text(), "a..d.");
    run.give_up();
    assert_eq!(run.output.text(), "a..d..g");
    assert_eq!((run.counts().gap_bytes, run.counts().gaps_given_up), (4, 0));
}

#[test]
fn a_fin_of_an_earlier_connection_ends_nothing() {
    let mut run = Run::default();
    run.push(syn(9)).push(data(10, "hello"));
    run.push(Segment { fin: true, ..data(12, "") }).push(data(15, " world"));
    assert_eq!(run.output.text(), "hello world");
    assert_eq!((run.output.ended_at, run.counts().conflicts), (None, 1));
    run.push(Segment { fin: true, ..data(21, "") });
    assert_eq!(run.output.ended_at, Some(11));
}

#[test]
fn a_fin_behind_a_gap_ends_the_stream_once_the_gap_is_given_up() {
    let mut run = Run::default();
    run.push(syn(9)).push(Segment { fin: true, ..data(13, "d") }).push(data(14, "behind"));
    assert_eq!(run.output.ended_at, None);
    run.give_up();
    assert_eq!((run.output.text().as_str(), run.output.ended_at), ("...d", Some(4)));
    assert_eq!(run.counts().bytes_after_end, 6);
}

#[test]
fn a_cut_segment_leaves_a_gap() {
    let mut run = Run::default();
    let cut = |sequence, bytes, cut| Segment { cut, ..data(sequence, bytes) };
    run.push(syn(9)).push(cut(13, "de", 2)).push(cut(10, "ab", 1)).data(14, "xx");
    run.push(Segment { fin: true, ..cut(17, "", 3) });
    assert_eq!((run.output.text().as_str(), run.output.ended_at), ("ab.de.....", Some(10)));
    assert_eq!(run.counts().gap_bytes, 6);
}

#[test]
fn a_full_buffer_gives_up_the_first_gap() {
    let mut run = Run::default();
    let block = "x".repeat(1 << 16);
    run.push(syn(9));
    let mut sequence = 11;
    while run.counts().gaps_given_up == 0 {
        run.data(sequence, &block);
        assert!(run.assembler.pending_bytes() <= MAX_PENDING_BYTES);
        sequence += block.len() as u32;
    }
    assert_eq!(run.output.text().find('x'), Some(1));
    assert_eq!((run.counts().gap_bytes, run.room.used()), (1, 0));
    assert_eq!(run.output.bytes.len() as u32, sequence - 10);
}

#[test]
fn the_room_of_all_assemblers_is_bounded() {
    let mut run = Run { room: Room::new(100), ..Run::default() };
    let mut other = Assembler::default();
    run.push(syn(9)).data(12, "c");
    other.push(syn(9), &mut run.room, &mut |_| 0);
    let mut gaps = 0;
    other.push(data(12, "c"), &mut run.room, &mut |assembled| {
        gaps += u64::from(matches!(assembled, Assembled::Gap { bytes: 2, .. }));
        0
    });
    assert_eq!((gaps, run.room.refused()), (1, 1));
    run.assembler.clear(&mut run.room);
    assert_eq!(run.room.used(), 0);
}

#[test]
fn skipped_bytes_are_passed_over_whether_they_are_seen_or_not() {
    for seen in [true, false] {
        let mut run = Run::default();
        run.push(syn(9)).data(12, "cd");
        let mut text = String::new();
        let mut sink = |assembled: Assembled<'_>| {
            let Assembled::Data { bytes, .. } = assembled else { panic!("{assembled:?}") };
            text.push_str(std::str::from_utf8(bytes).expect("text"));
            if bytes == b"ab" { 5 } else { 0 }
        };
        run.assembler.push(data(10, "ab"), &mut run.room, &mut sink);
        if seen {
            run.assembler.push(data(14, "efg"), &mut run.room, &mut sink);
        }
        run.assembler.push(data(17, "hi"), &mut run.room, &mut sink);
        assert_eq!(run.assembler.skip(2 * MAX_AHEAD, &mut run.room, &mut sink), MAX_AHEAD);
        let sequence = 19_u32.wrapping_add(MAX_AHEAD as u32);
        run.assembler.push(data(sequence, "z"), &mut run.room, &mut sink);
        assert_eq!(text, "abhiz");
        assert_eq!(run.counts().skipped_bytes, 5 + MAX_AHEAD);
        assert_eq!((run.counts().gap_bytes, run.room.used()), (0, 0));
    }
}

#[test]
fn a_segment_far_ahead_is_refused_unless_another_one_follows_it() {
    let mut run = Run::default();
    let far = 10 + MAX_AHEAD as u32 + 7;
    run.push(syn(9)).data(10, "a").data(far, "forged").data(11, "b");
    assert_eq!((run.output.text().as_str(), run.counts().implausible_segments), ("ab", 1));
    let mut gap = None;
    for bytes in ["x", "y"] {
        let sequence = far + u32::from(bytes == "y");
        run.assembler.push(data(sequence, bytes), &mut run.room, &mut |assembled| {
            match assembled {
                Assembled::Gap { bytes, .. } => gap = Some(bytes),
                other => assert!(matches!(other, Assembled::Data { bytes: b"y", .. })),
            }
            0
        });
    }
    assert_eq!(gap, Some(MAX_AHEAD + 6));
}

#[test]
fn a_loss_of_gigabytes_is_one_gap() {
    for gibibytes in [1.1, 1.9, 2.1, 3.0, 3.9] {
        let lost = (gibibytes * f64::from(1 << 30)) as u32;
        let mut run = Run::default();
        run.push(syn(9)).data(10, "a");
        let mut text = String::new();
        let mut gaps = 0;
        for (offset, bytes) in [(0, "missed"), (6, "seen"), (10, "too")] {
            let sequence = 11_u32.wrapping_add(lost).wrapping_add(offset);
            run.assembler.push(data(sequence, bytes), &mut run.room, &mut |assembled| {
                match assembled {
                    Assembled::Data { bytes, .. } => text += &String::from_utf8_lossy(bytes),
                    Assembled::Gap { bytes, .. } => gaps += bytes,
                    Assembled::End { .. } => panic!("no end"),
                }
                0
            });
        }
        assert_eq!((text.as_str(), gaps), ("seentoo", u64::from(lost) + 6), "{gibibytes}");
        assert_eq!(run.counts().repeated_bytes, 0);
    }
}

#[test]
fn nothing_behind_a_fin_is_a_gap() {
    let mut run = Run::default();
    run.push(syn(9)).data(10, "ab").push(Segment { fin: true, ..data(14, "ef") });
    // Far ahead, and resumed by the second one: what lies between counts as lost, but for what a FIN ended.
    run.data(3_000_000_000, "later").data(3_000_000_005, "later");
    assert_eq!((run.output.text().as_str(), run.output.ended_at), ("ab..ef", Some(6)));
    assert_eq!((run.counts().gap_bytes, run.counts().bytes_after_end), (2, 5));
}

fn acking(sequence: u32, bytes: &str) -> Segment<'_> {
    Segment { ack: Some(1), ..data(sequence, bytes) }
}

#[test]
fn a_stream_joined_in_the_middle_begins_with_the_lowest_of_several_segments() {
    let mut run = Run::default();
    run.push(acking(104, "ef")).push(acking(102, "cd")).push(acking(100, "ab"));
    assert_eq!((run.output.text().as_str(), run.assembler.next_sequence()), ("", None));
    run.push(acking(106, "gh"));
    assert_eq!(run.output.text(), "abcdefgh");
    assert_eq!(run.assembler.next_sequence(), Some(108));
    run.data(108, "i").data(98, "..");
    assert_eq!((run.output.text().as_str(), run.counts().repeated_bytes), ("abcdefghi", 2));

    // The receiver has what lies before.
    let mut run = Run::default();
    run.push(acking(102, "cd"));
    let output = &mut run.output;
    for ack in [102, 103] {
        assert_eq!(output.text(), "");
        run.assembler.acknowledged(ack, 0, &mut run.room, &mut |assembled| {
            output.add(assembled);
            0
        });
    }
    assert_eq!(run.output.text(), "cd");

    // The SYN was overtaken.
    let mut run = Run::default();
    run.push(acking(102, "cd")).push(syn(99)).push(acking(100, "ab"));
    assert_eq!(run.output.text(), "abcd");
    assert!(run.assembler.began_at_syn());

    // It ends before.
    let mut run = Run::default();
    run.push(acking(102, "cd")).push(Segment { fin: true, ..acking(104, "") }).give_up();
    assert_eq!((run.output.text().as_str(), run.output.ended_at), ("cd", Some(2)));
}

#[test]
fn a_keep_alive_is_not_the_first_byte() {
    let mut run = Run::default();
    run.data(99, "?").data(100, "ab").data(99, "?").data(102, "c");
    assert_eq!((run.output.text().as_str(), run.counts().repeated_bytes), ("abc", 2));
}

/// One segment of a generated stream: begin, length, whether its bytes are others than the stream's.
#[derive(Debug, Clone)]
struct Cut {
    from: usize,
    length: usize,
    differs: bool,
    captured: usize,
}

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let cut = (0_usize..200, 0_usize..40, prop::bool::weighted(0.1), 0_usize..60)
        .prop_map(|(from, length, differs, captured)| Cut { from, length, differs, captured });
    prop::collection::vec(cut, 0..60)
}

/// The stream's byte at a position.
fn byte(at: usize, differs: bool) -> u8 {
    (at as u8).wrapping_mul(31) ^ u8::from(differs)
}

/// What each position has: nothing yet, a byte, or known to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    Byte(u8),
    Cut,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any segments: the output is what a model gives in which each position keeps what it got first.
    #[test]
    fn segments_in_any_order_are_assembled_as_the_model_does(
        cuts in cuts(), initial in any::<u32>(), end in prop::option::of(0_usize..240),
    ) {
        let mut run = Run::default();
        run.push(syn(initial));
        let mut model = vec![Slot::Empty; 300];
        for cut in &cuts {
            let from = cut.from;
            let to = from + cut.length;
            let bytes: Vec<u8> = (from..to).map(|at| byte(at, cut.differs)).collect();
            let captured = cut.captured.min(bytes.len());
            run.push(Segment {
                sequence: initial.wrapping_add(1 + from as u32),
                bytes: &bytes[..captured],
                cut: (bytes.len() - captured) as u32,
                ..Segment::default()
            });
            for at in from..to {
                if model[at] == Slot::Empty {
                    model[at] =
                        if at - from < captured { Slot::Byte(bytes[at - from]) } else { Slot::Cut };
                }
            }
            // What is in order is handed over at once.
            let ready = model.iter().position(|slot| *slot == Slot::Empty).unwrap_or(300);
            prop_assert_eq!(run.output.bytes.len(), ready);
        }
        let ready = run.output.bytes.len();
        if let Some(end) = end {
            run.push(Segment { sequence: initial.wrapping_add(1 + end as u32), fin: true, ..Segment::default() });
        }
        run.give_up();
        let seen = model.iter().rposition(|slot| *slot != Slot::Empty).map_or(0, |last| last + 1);
        // An end before what was handed over is refused. What is held back behind the end is dropped.
        let end = end.filter(|end| *end >= ready);
        let seen = end.unwrap_or(seen);
        prop_assert_eq!(run.output.ended_at, end.map(|_| seen as u64));
        let expected: Vec<Option<u8>> = model[..seen]
            .iter()
            .map(|slot| if let Slot::Byte(byte) = slot { Some(*byte) } else { None })
            .collect();
        prop_assert_eq!(&run.output.bytes, &expected);
        let gaps = expected.iter().filter(|byte| byte.is_none()).count();
        prop_assert_eq!(run.counts().gap_bytes, gaps as u64);
        prop_assert_eq!(run.room.used(), 0);
        prop_assert_eq!(run.counts().gaps_given_up, 0);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A stream of 64 KiB blocks that is sent from any number on, with losses that are sent again, is
    /// assembled whole; with skips, each byte is handed over or skipped once.
    #[test]
    fn a_stream_is_whole_after_retransmissions(
        initial in any::<u32>(),
        order in prop::collection::vec((0_u32..12, 1_u32..4), 0..40),
        skips in prop::collection::vec(0_u64..200_000, 0..6),
    ) {
        const BLOCK: u32 = 1 << 16;
        let mut assembler = Assembler::default();
        let mut room = Room::default();
        let (mut handed, mut at, mut ended) = (0_u64, 0_u64, false);
        let mut skips = skips.into_iter();
        let block: Vec<u8> = (0..BLOCK).map(|at| (at >> 8) as u8).collect();
        let mut sink = |assembled: Assembled<'_>| match assembled {
            Assembled::Data { position, bytes } => {
                assert_eq!(position, at);
                for (offset, byte) in bytes.iter().enumerate() {
                    assert_eq!(*byte, ((position + offset as u64) >> 8) as u8);
                }
                handed += bytes.len() as u64;
                let skip = skips.next().unwrap_or(0).min(u64::from(12 * BLOCK) - position - bytes.len() as u64);
                at = position + bytes.len() as u64 + skip;
                skip
            }
            Assembled::Gap { .. } => panic!("nothing is lost"),
            Assembled::End { position } => {
                assert_eq!(position, at);
                ended = true;
                0
            }
        };
        let first = initial.wrapping_add(1);
        assembler.push(syn(initial), &mut room, &mut sink);
        let all = (0..12).map(|number| (number, 1));
        for (number, blocks) in order.into_iter().chain(all) {
            for number in number..(number + blocks).min(12) {
                let sequence = first.wrapping_add(number * BLOCK);
                let fin = number == 11;
                assembler.push(Segment { sequence, bytes: &block, fin, ..Segment::default() }, &mut room, &mut sink);
            }
        }
        assert!(ended);
        assert_eq!(handed + assembler.counts().skipped_bytes, u64::from(12 * BLOCK));
        assert_eq!(room.used(), 0);
    }
}
