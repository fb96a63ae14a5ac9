//! The line with the age of the data, what is missing, and what the agent costs; and the page with
//! all of it.

use std::time::Duration;

use conns_api::is_problem;
use conns_core::explain::loss_lines;
use conns_core::human;
use conns_core::model::{Loss, LossKind};
use conns_print::printable;

use crate::state::{Contact, State};

/// How the line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Calm,
    Warning,
    Loud,
}

impl State {
    /// The line.
    pub(crate) fn status(&self) -> (String, Tone) {
        let mut parts = Vec::new();
        let mut tone = Tone::Calm;
        if let Some(frozen) = &self.frozen {
            let at = self.time_text(frozen.update.snapshot.at.wall_us);
            let events = self.events.hidden();
            parts.push(match frozen.is_past {
                false => format!("FROZEN at {at}, +{} updates, +{events} events", frozen.updates),
                true => {
                    let span = self.latest.as_ref().map_or(0, |latest| {
                        latest.snapshot.at.wall_us - frozen.update.snapshot.at.wall_us
                    });
                    let ago = age(Duration::from_micros(u64::try_from(span).unwrap_or(0)));
                    format!("HISTORY {at}, {ago} ago: [ ] a minute, {{ }} an hour, Space returns")
                }
            });
            tone = Tone::Warning;
        }
        match &self.contact {
            Contact::Waiting => parts.push(format!("waiting for {}", self.observed)),
            Contact::Live { at } => {
                parts.push(format!("{} old", age(self.now.saturating_sub(*at))));
            }
            Contact::Lost { since, why } => {
                let lost = age(self.now.saturating_sub(*since));
                parts.insert(
                    0,
                    format!("NO ANSWER from {} for {lost}, trying again: {why}", self.observed),
                );
                tone = Tone::Loud;
            }
        }
        if let Some((notice, _)) = &self.notice {
            parts.insert(0, notice.clone());
        }
        if !self.warnings.is_empty() {
            parts.push("configuration is wrong (i)".to_owned());
            tone = if tone == Tone::Loud { tone } else { Tone::Warning };
        }
        let (lacking, lost) = self.losses();
        match lost.len() {
            0 if self.latest.is_some() => parts.push("nothing lost".to_owned()),
            0 => {}
            1 => parts.push("1 loss (i)".to_owned()),
            count => parts.push(format!("{count} losses (i)")),
        }
        let missing = self.missing_abilities();
        if !lacking.is_empty() || !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { "privileges".to_owned() } else { names.join(",") };
            parts.push(format!("lacks (i) {names}"));
        }
        parts.extend(self.cost());
        (printable(parts.join(" · ").into()).into_owned(), tone)
    }

    /// What the agent costs.
    fn cost(&self) -> Option<String> {
        let cost = self.latest.as_ref()?.health.cost;
        let memory = (cost.resident_bytes > 0).then(|| human::bytes(cost.resident_bytes));
        let cpu = self.cpu_percent.map(|percent| format!("{} CPU", human::percent(percent)));
        let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
        (!parts.is_empty()).then(|| format!("agent {}", parts.join(" ")))
    }

    /// Losses for lack of privileges, and all others.
    fn losses(&self) -> (Vec<String>, Vec<String>) {
        let Some(update) = &self.latest else { return (Vec::new(), Vec::new()) };
        let of_events = self.events.losses();
        let all = update.snapshot.losses.iter().chain(&update.health.losses).chain(&of_events);
        let (lacking, lost): (Vec<&Loss>, Vec<&Loss>) =
            all.partition(|loss| loss.kind() == LossKind::NotPermitted);
        let mut lost = loss_lines(lost);
        lost.sort();
        lost.dedup();
        (loss_lines(lacking), lost)
    }

    /// Abilities that are missing, and why.
    fn missing_abilities(&self) -> Vec<(String, String)> {
        let abilities = self.latest.iter().flat_map(|update| &update.health.abilities);
        let missing = abilities.filter_map(|ability| {
            let why = ability.missing.as_ref()?;
            Some((ability.kind.name().to_owned(), format!("{}: {why}", ability.kind.meaning())))
        });
        missing.collect()
    }

    /// Everything that is missing, line by line.
    pub(crate) fn missing_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut section = |title: &str, texts: Vec<String>| {
            if !texts.is_empty() {
                lines.push(title.to_owned());
                lines.extend(texts.into_iter().map(|text| format!("  {}", printable(text.into()))));
            }
        };
        if let Contact::Lost { why, .. } = &self.contact {
            section("No answer", vec![why.clone()]);
        }
        section("Configuration, of which the defaults are used", self.warnings.clone());
        let (lacking, lost) = self.losses();
        section("Lost", if lost.is_empty() { vec!["nothing".to_owned()] } else { lost });
        section("For lack of privileges", lacking);
        let missing = self.missing_abilities();
        let missing = missing.into_iter().map(|(name, why)| format!("{name}: {why}"));
        section("Abilities that are missing", missing.collect());
        if let Some(update) = &self.latest {
            let health = &update.health;
            let mut cost: Vec<String> = self.cost().into_iter().collect();
            cost.push(format!("a sample every {}", human::duration(health.interval_us)));
            if health.cost.sample_cpu_us > 0 {
                cost.push(format!(
                    "the last took {} of CPU time",
                    human::duration(health.cost.sample_cpu_us)
                ));
            }
            if health.samples_skipped > 0 {
                cost.push(format!(
                    "{} samples were skipped: earlier ones took too long",
                    health.samples_skipped
                ));
            }
            cost.extend(health.failing.iter().map(|why| format!("samples fail: {why}")));
            section("Agent", cost);
        }
        lines
    }

    /// Connections, rates and problems.
    pub(crate) fn totals(&self) -> String {
        let Some(total) = &self.list.total else {
            return match self.screen {
                crate::state::Screen::Events => format!("{} events", self.count()),
                _ => format!("{} rows", self.count()),
            };
        };
        let rate = |rate: Option<f64>| rate.map_or_else(|| "?".to_owned(), human::rate);
        let mut text = match self.screen {
            crate::state::Screen::Events => format!("{} events", self.count()),
            _ if total.count == 1 => "1 connection".to_owned(),
            _ => format!("{} connections", total.count),
        };
        if self.list.closed > 0 {
            text.push_str(&format!(" (+{} closed)", self.list.closed));
        }
        let (out, into) = (total.rate_out.known_total(), total.rate_in.known_total());
        text.push_str(&format!("  out {}  in {}", rate(out), rate(into)));
        let problems = total.verdicts.iter().filter(|(class, _)| is_problem(*class));
        let problems: Vec<String> =
            problems.map(|(class, count)| format!("{count} {}", class.name())).collect();
        match problems.is_empty() {
            true => text.push_str("  no problems"),
            false => text.push_str(&format!("  ! {}", problems.join(", "))),
        }
        text
    }

    /// A time to the second.
    pub(crate) fn time_text(&self, us: i64) -> String {
        let text = self.time.text(us);
        text.split('.').next().unwrap_or_default().to_owned()
    }
}

/// Whole seconds: a screen that draws each second shows no fractions.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => human::duration(seconds * 1_000_000),
    }
}
