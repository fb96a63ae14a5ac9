//! Packets with a long header (RFC 9000 section 17.2).

/// Least size of a datagram with the first packet of a client, bytes (RFC 9000 section 14.1).
pub(super) const MIN_INITIAL: usize = 1200;
/// Longest id of a connection, bytes (RFC 9000 section 17.2).
const MAX_ID: usize = 20;

/// A version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 9000.
    One,
    /// RFC 9369.
    Two,
    /// One whose packets are not read.
    Other(u32),
}

impl Version {
    fn of(number: u32) -> Self {
        match number {
            1 => Self::One,
            0x6b33_43cf => Self::Two,
            other => Self::Other(other),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> String {
        match self {
            Self::One => "1".into(),
            Self::Two => "2".into(),
            Self::Other(number) => format!("{number:#010x}"),
        }
    }
}

/// A packet with a long header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) version: Version,
    /// Whether it is an Initial packet.
    pub(super) is_initial: bool,
    /// The id of the connection that its receiver chose, or at first the client for it.
    pub(super) destination: &'a [u8],
    /// Everything of it.
    pub(super) bytes: &'a [u8],
    /// Where the number of the packet begins.
    pub(super) number_at: usize,
}

impl<'a> Packet<'a> {
    /// Reads the header of the first packet of a datagram; the second part is what follows the packet.
    /// `None` if it has a short header, is a version negotiation, or malformed.
    pub(super) fn read(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader { bytes: datagram, at: 0 };
        let first = *reader.take(1)?.first()?;
        let number = u32::from_be_bytes(reader.take(4)?.try_into().ok()?);
        // Header form; a version negotiation has the number 0.
        if first & 0x80 == 0 || number == 0 {
            return None;
        }
        let version = Version::of(number);
        let destination = reader.id()?;
        reader.id()?;
        let kind = first >> 4 & 3;
        let is_initial = match version {
            Version::One => kind == 0,
            Version::Two => kind == 1,
            // Nothing behind the ids is known.
            Version::Other(_) => {
                let (bytes, number_at) = (datagram, datagram.len());
                let packet = Self { version, is_initial: false, destination, bytes, number_at };
                return Some((packet, &[]));
            }
        };
        let is_retry = match version {
            Version::Two => kind == 0,
            _ => kind == 3,
        };
        if first & 0x40 == 0 {
            return None;
        }
        if is_retry {
            let (bytes, number_at) = (datagram, datagram.len());
            return Some((Self { version, is_initial, destination, bytes, number_at }, &[]));
        }
        if is_initial {
            let token = reader.number()?;
            reader.take(usize::try_from(token).ok()?)?;
        }
        let length = usize::try_from(reader.number()?).ok()?;
        let number_at = reader.at;
        reader.take(length)?;
        let (bytes, rest) = datagram.split_at_checked(reader.at)?;
        Some((Self { version, is_initial, destination, bytes, number_at }, rest))
    }
}

/// Reads what follows each other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// A number of one to eight bytes (RFC 9000 section 16).
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = *self.take(1)?.first()?;
        let rest = self.take((1 << (first >> 6)) - 1)?;
        let begin = u64::from(first & 0x3f);
        Some(rest.iter().fold(begin, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn id(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        (length <= MAX_ID).then(|| self.take(length))?
    }
}
