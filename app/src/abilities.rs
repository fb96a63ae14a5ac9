//! `conns abilities`: what is available on this machine or on an agent's, and why the rest is not.

use std::io::{self, Write};

use conns_api::AbilityShape;
use conns_core::model::Ability;
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{Layout, plain_table, printable};

use crate::agent;
use crate::failure::Failure;
use crate::flags::{AbilitiesFlags, AbilitiesFormat, AgentFlags, Colour};
use crate::terminal;

/// Runs `abilities`: probes everything once.
pub(crate) fn run(flags: &AbilitiesFlags, agent_flags: &AgentFlags) -> Result<(), Failure> {
    let abilities = agent::open(agent_flags, None, Retention::None, Purpose::Agent { tap: true })?
        .abilities()?;
    let mut out = terminal::stdout();
    match flags.output {
        AbilitiesFormat::Table => print(&mut out, &abilities)?,
        AbilitiesFormat::Json => {
            write!(out, "{{\"abilities\":")?;
            serde_json::to_writer(&mut out, &AbilityShape::all(&abilities))
                .map_err(io::Error::from)?;
            writeln!(out, "}}")?;
        }
    }
    Ok(out.flush()?)
}

fn print(out: &mut impl Write, abilities: &[Ability]) -> Result<(), Failure> {
    let palette = terminal::palette(Colour::Auto);
    // Reasons are sentences, and are not truncated.
    let layout = Layout { width: None, header: true, palette };
    // Texts of a remote agent can contain control characters.
    let plain = |text: &str| printable(text.into()).into_owned();
    let rows: Vec<Vec<String>> = abilities
        .iter()
        .map(|ability| {
            let (available, why) = match &ability.missing {
                None => ("yes", "-".to_owned()),
                Some(why) => ("no", plain(&why.to_string())),
            };
            vec![
                plain(ability.kind.name()),
                available.to_owned(),
                plain(ability.kind.meaning()),
                why,
            ]
        })
        .collect();
    let titles = ["ABILITY", "AVAILABLE", "GIVES", "WHY NOT"];
    Ok(plain_table(out, layout, &titles, &[false; 4], &rows)?)
}
