//! What the attributes of all variants mean together. The same is checked again where a machine is built; here the
//! error stands at the place of the mistake.

use std::collections::BTreeSet;

use syn::{Error, Ident, Path, Result};

use super::parse::{self, Limit, State, Target};

/// States of a machine, at most.
const MAX_STATES: usize = 64;

/// A machine whose parts fit together. Numbers are places among its states.
pub(super) struct Machine {
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) stuck_after: Option<Limit>,
    pub(super) krate: Option<Path>,
    pub(super) states: Vec<State>,
    pub(super) initial: usize,
    /// Of each state: where it leads, and on which trigger.
    pub(super) transitions: Vec<Vec<(usize, Option<String>)>>,
}

pub(super) fn check(machine: parse::Machine) -> Result<Machine> {
    let parse::Machine { ident, name, stuck_after, krate, states } = machine;
    if states.is_empty() {
        return Err(Error::new(ident.span(), "an enum without variants has no states; write at least one"));
    }
    if let Some(over) = states.get(MAX_STATES) {
        return Err(Error::new(
            over.ident.span(),
            format!("too many: a state machine has at most {MAX_STATES} states"),
        ));
    }
    for (at, state) in states.iter().enumerate() {
        if states.iter().take(at).any(|earlier| earlier.name == state.name) {
            let message = format!("two states are named \"{}\"; give one of them another `name`", state.name);
            return Err(Error::new(state.ident.span(), message));
        }
    }
    let initial = initial(&ident, &states)?;
    let mut transitions = Vec::with_capacity(states.len());
    for state in &states {
        transitions.push(leaving(state, &states)?);
    }
    check_ways(&states, &transitions, initial)?;
    Ok(Machine { ident, name, stuck_after, krate, states, initial, transitions })
}

fn initial(ident: &Ident, states: &[State]) -> Result<usize> {
    let mut marked = states.iter().enumerate().filter_map(|(at, state)| Some((at, state, state.initial?)));
    let Some((at, state, _)) = marked.next() else {
        let message = "no state is the initial one; mark it with `#[state(initial, ..)]`";
        return Err(Error::new(ident.span(), message));
    };
    if let Some((_, _, span)) = marked.next() {
        return Err(Error::new(
            span,
            format!("`initial` stands twice; `{}` is the initial state already", state.ident),
        ));
    }
    Ok(at)
}

fn leaving(state: &State, states: &[State]) -> Result<Vec<(usize, Option<String>)>> {
    if let Some(span) = state.terminal {
        let other = if state.initial.is_some() {
            "initial: an entity would end as it begins"
        } else if state.to_span.is_some() {
            "left with `to`: an entity ends there"
        } else if state.stuck_after_span.is_some() {
            "given a `stuck_after`: nothing stays there"
        } else {
            return Ok(Vec::new());
        };
        return Err(Error::new(span, format!("a terminal state cannot be {other}")));
    }
    let mut found: Vec<(usize, Option<String>)> = Vec::with_capacity(state.to.len());
    for Target { variant, trigger } in &state.to {
        let Some(target) = states.iter().position(|state| state.ident == *variant) else {
            let variants: Vec<_> = states.iter().map(|state| format!("`{}`", state.ident)).collect();
            let message = format!("`{variant}` is no variant of the enum; there are {}", variants.join(", "));
            return Err(Error::new(variant.span(), message));
        };
        let transition = (target, trigger.as_ref().map(syn::LitStr::value));
        if found.contains(&transition) {
            let message =
                format!("the transition to `{variant}` stands twice; one with another trigger may stand beside it");
            return Err(Error::new(variant.span(), message));
        }
        found.push(transition);
    }
    Ok(found)
}

/// Every state is reached, and each that is not terminal has a way out.
fn check_ways(states: &[State], transitions: &[Vec<(usize, Option<String>)>], initial: usize) -> Result<()> {
    for ((at, state), leaving) in states.iter().enumerate().zip(transitions) {
        if state.terminal.is_none() && leaving.iter().all(|&(target, _)| target == at) {
            let message = format!(
                "`{}` has no way out; give it `#[state(to(..))]`, or `#[state(terminal)]` if it ends an entity",
                state.ident
            );
            return Err(Error::new(state.ident.span(), message));
        }
    }
    let mut reached = BTreeSet::from([initial]);
    let mut fresh = vec![initial];
    while let Some(here) = fresh.pop() {
        let leaving = transitions.get(here).into_iter().flatten();
        fresh.extend(leaving.map(|&(target, _)| target).filter(|&target| reached.insert(target)));
    }
    match states.iter().enumerate().find(|(at, _)| !reached.contains(at)) {
        Some((_, state)) => {
            let message = format!("`{}` is never reached from the initial state; name it in a `to(..)`", state.ident);
            Err(Error::new(state.ident.span(), message))
        }
        None => Ok(()),
    }
}
