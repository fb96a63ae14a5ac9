//! Bytes to frames.

use super::fields::Fields;
use super::types::FrameType;
use super::{
    Failure, FailureCode, Frame, FrameError, Hello, MAX_FRAME_BYTES, Offer, TransferId, TransferUid,
};
use crate::manifest::MAX_MANIFEST_BYTES;
use crate::rate::BytesPerSecond;
use crate::tree::Hash;

impl Frame {
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

    fn read(of: FrameType, fields: &mut Fields<'_>) -> Result<Self, FrameError> {
        Ok(match of {
            FrameType::Hello => Self::Hello(Hello {
                version: fields.integer("version")?,
                launch_id: fields.array("launch id")?,
                server_uid: fields.array("server uid")?,
            }),
            FrameType::Offer => Self::Offer(Offer {
                transfer: transfer(fields)?,
                uid: uid(fields)?,
                manifest: Hash(fields.array("manifest hash")?),
                manifest_bytes: fields.at_most("manifest bytes", MAX_MANIFEST_BYTES)?,
                overwrite: fields.numbered("overwrite")?,
                manifest_follows: fields.at_most("manifest follows", 1)? == 1,
                priority: i64::from_be_bytes(fields.array("priority")?),
            }),
            FrameType::ManifestWanted => Self::ManifestWanted(transfer(fields)?),
            FrameType::Accepted => Self::Accepted(transfer(fields)?, fields.ranges("chunks")?),
            FrameType::Durable => Self::Durable(transfer(fields)?, fields.ranges("chunks")?),
            FrameType::Resend => Self::Resend(transfer(fields)?, fields.ranges("chunks")?),
            FrameType::Committed => Self::Committed(transfer(fields)?),
            FrameType::Failed => {
                let transfer = transfer(fields)?;
                let code = FailureCode::from_number(fields.integer("code")?);
                Self::Failed(transfer, Failure { code, text: fields.text("text")? })
            }
            FrameType::Withdraw => Self::Withdraw(uid(fields)?),
            FrameType::Withdrawn => Self::Withdrawn(uid(fields)?),
            FrameType::RateLimit => Self::RateLimit(BytesPerSecond(fields.integer("rate")?)),
        })
    }
}

fn transfer(fields: &mut Fields<'_>) -> Result<TransferId, FrameError> {
    Ok(TransferId(fields.integer("transfer")?))
}

fn uid(fields: &mut Fields<'_>) -> Result<TransferUid, FrameError> {
    Ok(TransferUid(fields.array("uid")?))
}
