//! The shape of an agent's health, with its abilities by name.

use std::borrow::Cow;

use conns_core::model;
use serde::{Deserialize, Serialize};

use super::basic::{Bytes, Moment, mirror};
use super::loss::Loss;

mirror!(Cost: model::Cost {
    cpu_us: u64,
    sample_cpu_us: u64,
    resident_bytes: u64,
    resident_peak_bytes: u64,
});

#[derive(Serialize, Deserialize)]
pub(super) struct Health<'a> {
    started: Moment,
    interval_us: u64,
    samples: u64,
    lateness_us: u64,
    lateness_max_us: u64,
    samples_skipped: u64,
    #[serde(borrow)]
    failing: Option<&'a str>,
    reconciliation_differences: u64,
    cost: Cost,
}

impl<'a> From<&'a model::Health> for Health<'a> {
    fn from(health: &'a model::Health) -> Self {
        Self {
            started: health.started.into(),
            interval_us: health.interval_us,
            samples: health.samples,
            lateness_us: health.lateness_us,
            lateness_max_us: health.lateness_max_us,
            samples_skipped: health.samples_skipped,
            failing: health.failing.as_deref(),
            reconciliation_differences: health.reconciliation_differences,
            cost: health.cost.into(),
        }
    }
}

impl Health<'_> {
    pub(super) fn into_model(
        self,
        abilities: Vec<model::Ability>,
        losses: Vec<model::Loss>,
    ) -> model::Health {
        model::Health {
            started: self.started.into(),
            interval_us: self.interval_us,
            samples: self.samples,
            lateness_us: self.lateness_us,
            lateness_max_us: self.lateness_max_us,
            samples_skipped: self.samples_skipped,
            failing: self.failing.map(Into::into),
            abilities,
            reconciliation_differences: self.reconciliation_differences,
            losses,
            lost_at: None,
            cost: self.cost.into(),
        }
    }
}

/// An ability. `missing` is the reason why it is missing: kind 1 is a [`Loss`], kind 2 an error message.
#[derive(Serialize, Deserialize)]
pub(super) struct Ability<'a> {
    name: &'a str,
    #[serde(borrow)]
    meaning: Cow<'a, str>,
    #[serde(borrow)]
    missing: Option<(u8, Bytes<'a>)>,
}

impl<'a> Ability<'a> {
    pub(super) fn new(ability: &'a model::Ability) -> postcard::Result<Self> {
        let missing = match &ability.missing {
            None => None,
            Some(model::Missing::Loss(loss)) => Some((1, Bytes::of(&Loss::new(loss)?)?)),
            Some(model::Missing::Error(error)) => Some((2, Bytes::of(&&**error)?)),
        };
        let meaning = Cow::Borrowed(ability.kind.meaning());
        Ok(Self { name: ability.kind.name(), meaning, missing })
    }
}

impl From<Ability<'_>> for model::Ability {
    fn from(shape: Ability<'_>) -> Self {
        let missing = shape.missing.map(|(kind, bytes)| {
            let missing = match kind {
                1 => bytes.read::<Loss<'_>>().map(|loss| model::Missing::Loss(loss.into())),
                2 => bytes.read::<&str>().map(|error| model::Missing::Error(error.into())),
                _ => None,
            };
            let unknown = "the agent gives a reason that this version does not know";
            missing.unwrap_or_else(|| model::Missing::Error(unknown.into()))
        });
        Self { kind: model::AbilityKind::named(shape.name, &shape.meaning), missing }
    }
}
