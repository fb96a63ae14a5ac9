//! Why a relay refuses or ends a flow.

/// Why a relay refuses a client or ends a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayRefusal {
    /// The relay does not allow the key of the receiver, or the receiver does not allow that of the sender.
    NotAllowed,
    /// No receiver of that key is registered.
    NoSuchReceiver,
    /// The relay has [`super::MAX_FLOWS`].
    TooManyFlows,
    /// The key of the client, or of the receiver, has [`super::MAX_FLOWS_PER_KEY`].
    TooManyFlowsOfKey,
    /// The flow forwarded nothing for [`super::IDLE_US`].
    Idle,
    /// The receiver did not send the token in time.
    NotBound,
    /// A later registration of the same key replaced this one.
    Replaced,
    /// A client of the flow has no further use of it.
    Ended,
    /// The relay stops.
    Stopped,
    /// A cause of a later version.
    Other(u64),
}

impl RelayRefusal {
    const NUMBERED: [(u64, Self); 9] = [
        (1, Self::NotAllowed),
        (2, Self::NoSuchReceiver),
        (3, Self::TooManyFlows),
        (4, Self::TooManyFlowsOfKey),
        (5, Self::Idle),
        (6, Self::NotBound),
        (7, Self::Replaced),
        (8, Self::Ended),
        (9, Self::Stopped),
    ];

    /// The refusal of a number in a frame.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let found = Self::NUMBERED.iter().find(|(of, _)| *of == number);
        found.map_or(Self::Other(number), |(_, refusal)| *refusal)
    }

    /// The number in a frame.
    #[must_use]
    pub fn number(self) -> u64 {
        if let Self::Other(number) = self {
            return number;
        }
        Self::NUMBERED.iter().find(|(_, of)| *of == self).map_or(0, |(number, _)| *number)
    }
}
