//! The two sides of a connection, and what is wanted of each.

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Payload this machine sent, or the first end of a captured connection.
    Sent,
    /// Payload this machine received, or the second end of a captured connection sent.
    Received,
}

impl Side {
    /// Both sides.
    pub const ALL: [Self; 2] = [Self::Sent, Self::Received];

    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Sent => Self::Received,
            Self::Received => Self::Sent,
        }
    }
}

/// Something of each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BothSides<T> {
    /// Of [`Side::Sent`].
    pub sent: T,
    /// Of [`Side::Received`].
    pub received: T,
}

impl<T> BothSides<T> {
    /// That of this side.
    #[must_use]
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Sent => &self.sent,
            Side::Received => &self.received,
        }
    }

    /// That of this side, to change it.
    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Sent => &mut self.sent,
            Side::Received => &mut self.received,
        }
    }
}

/// What a consumer wants of one side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Every byte from now on.
    Whole,
    /// Every byte but the next ones, as many as given, counted from the end of the bytes handed over
    /// last.
    Skip(u64),
    /// Nothing more.
    NoMore,
}
