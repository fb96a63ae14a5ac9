//! The numbers of the types of frames and streams.

use crate::encoding::numbered;

numbered! {
    /// Types of [`super::Frame`].
    pub(super) enum FrameType {
        Hello = 0,
        Offer = 1,
        ManifestWanted = 2,
        Accepted = 3,
        Durable = 4,
        Resend = 5,
        Committed = 6,
        Failed = 7,
        Withdraw = 8,
        Withdrawn = 9,
        RateLimit = 10,
    }
}

numbered! {
    /// Types of [`super::StreamHeader`].
    pub(super) enum StreamType {
        Manifest = 0,
        Chunk = 1,
        Roots = 2,
    }
}
