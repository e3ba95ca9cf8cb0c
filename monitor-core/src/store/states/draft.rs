//! A definition as it is being written down, and the check that finds all of its faults at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::definition::{Declared, Definition, Guard, State};
use crate::base::names::{MAX_NAME_BYTES, truncated};

/// States of a machine, at most.
const MAX_STATES: usize = 64;
/// Transitions of a machine, at most.
const MAX_TRANSITIONS: usize = 1_024;
/// Entities alive of a machine, at most, and unless said otherwise.
const MOST_ENTITIES: usize = 1_000_000;
pub(crate) const PLENTY: usize = 10_000;
/// How long an entity may stay in a state unless said otherwise.
const STUCK_AFTER: Duration = Duration::from_mins(15);
/// Stands for: an entity may stay for ever.
pub(crate) const NEVER: Duration = Duration::MAX;
/// Faults that are listed; of more the number is said.
const FAULTS_LISTED: usize = 20;
/// Longest text of one: the names in it are the host's.
const MAX_FAULT_BYTES: usize = 500;

/// A definition being written down. Nothing in it is checked before [`check`](Self::check).
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) states: Vec<DraftState>,
    pub(crate) transitions: Vec<DraftTransition>,
    /// For all states that say nothing of their own.
    pub(crate) stuck_after: Duration,
    /// By state.
    pub(crate) stuck_after_in: Vec<(String, Duration)>,
    pub(crate) max_entities: usize,
    pub(crate) faults: Faults,
}

pub(crate) struct DraftState {
    pub(crate) name: String,
    pub(crate) initial: bool,
    pub(crate) terminal: bool,
}

pub(crate) struct DraftTransition {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) trigger: Option<String>,
    pub(crate) guard: Option<Guard>,
}

/// What is wrong, the first ones in words.
#[derive(Default)]
pub(crate) struct Faults {
    listed: Vec<String>,
    more: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: impl FnOnce() -> String) {
        if self.listed.len() < FAULTS_LISTED {
            self.listed.push(truncated(&fault(), MAX_FAULT_BYTES).into_owned());
        } else {
            self.more += 1;
        }
    }

    fn into_words(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}

impl Draft {
    pub(crate) fn new(name: String) -> Draft {
        Draft {
            name,
            states: Vec::new(),
            transitions: Vec::new(),
            stuck_after: STUCK_AFTER,
            stuck_after_in: Vec::new(),
            max_entities: PLENTY,
            faults: Faults::default(),
        }
    }

    pub(crate) fn add_state(&mut self, state: DraftState) {
        if self.states.len() < MAX_STATES {
            self.states.push(state);
        } else {
            self.faults.add(|| format!("{:?} is over the cap of {MAX_STATES} states", state.name));
        }
    }

    pub(crate) fn add_transition(&mut self, transition: DraftTransition) {
        if self.transitions.len() < MAX_TRANSITIONS {
            self.transitions.push(transition);
        } else {
            self.faults.add(|| format!("{} is over the cap of {MAX_TRANSITIONS}", transition.named()));
        }
    }

    /// How long an entity may stay in one state. Of several for one state the last one counts.
    pub(crate) fn limit_in(&mut self, state: String, limit: Duration) {
        if self.stuck_after_in.len() < MAX_STATES {
            self.stuck_after_in.push((state, limit));
        } else {
            self.faults.add(|| format!("stuck_after for {state:?} is over the cap of {MAX_STATES}"));
        }
    }

    /// Puts a guard on the transitions from one state to another.
    pub(crate) fn guard_between(&mut self, from: &str, to: &str, guard: &Guard) {
        let between = |transition: &&mut DraftTransition| transition.from == from && transition.to == to;
        let mut found = false;
        for transition in self.transitions.iter_mut().filter(between) {
            transition.guard = Some(guard.clone());
            found = true;
        }
        if !found {
            self.faults.add(|| format!("there is no transition from {from:?} to {to:?} to put a guard on"));
        }
    }

    /// The definition, or its name and everything that is wrong with it.
    pub(crate) fn check(mut self) -> Result<Definition, (String, Vec<String>)> {
        let mut faults = std::mem::take(&mut self.faults);
        for (what, name) in self.names() {
            check_name(&mut faults, what, name);
        }
        if !(1..=MOST_ENTITIES).contains(&self.max_entities) {
            faults.add(|| format!("max_entities is {}; allowed is 1 to {MOST_ENTITIES}", self.max_entities));
        }
        let numbers = self.number_states(&mut faults);
        let initial = self.initial(&mut faults);
        let arrows = self.arrows(&numbers, &mut faults);
        for (state, _) in self.stuck_after_in.iter().filter(|(state, _)| !numbers.contains_key(state.as_str())) {
            faults.add(|| format!("state {state:?}, whose stuck_after is set, is not declared"));
        }
        for state in self.states.iter().filter(|state| state.terminal) {
            if self.stuck_after_in.iter().any(|(name, _)| *name == state.name) {
                faults.add(|| {
                    format!("state {:?}, whose stuck_after is set, is terminal; nothing stays there", state.name)
                });
            }
        }
        // What leads nowhere can only be said of states and transitions that are right in themselves.
        if faults.listed.is_empty() {
            self.check_ways(&arrows, initial, &mut faults);
        }
        if faults.listed.is_empty() { Ok(self.define(arrows, initial)) } else { Err((self.name, faults.into_words())) }
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let states = self.states.iter().map(|state| ("state", state.name.as_str()));
        let triggers =
            self.transitions.iter().filter_map(|transition| Some(("trigger", transition.trigger.as_deref()?)));
        [("state machine", self.name.as_str())].into_iter().chain(states).chain(triggers)
    }

    fn number_states(&self, faults: &mut Faults) -> BTreeMap<&str, u8> {
        let mut numbers = BTreeMap::new();
        for (state, number) in self.states.iter().zip(0_u8..) {
            if numbers.insert(state.name.as_str(), number).is_some() {
                faults.add(|| format!("state {:?} is declared twice", state.name));
            }
        }
        numbers
    }

    /// The state that is marked as the initial one, else the first.
    fn initial(&self, faults: &mut Faults) -> u8 {
        let mut marked = self.states.iter().zip(0_u8..).filter(|(state, _)| state.initial);
        let initial = marked.next();
        for (state, _) in marked {
            faults.add(|| format!("{:?} is a second initial state; there is one", state.name));
        }
        match initial.or_else(|| self.states.iter().zip(0_u8..).next()) {
            None => faults.add(|| "there is no initial state: declare one with state or initial".to_owned()),
            Some((state, _)) if state.terminal => {
                faults.add(|| {
                    format!("the initial state {:?} is terminal; an entity would end as it begins", state.name)
                });
            }
            Some((_, number)) => return number,
        }
        0
    }

    /// Where each transition leads from and to.
    fn arrows(&self, numbers: &BTreeMap<&str, u8>, faults: &mut Faults) -> Vec<(u8, u8)> {
        let (mut known, mut unguarded) = (BTreeSet::new(), BTreeSet::new());
        let mut arrows = Vec::with_capacity(self.transitions.len());
        for transition in &self.transitions {
            let DraftTransition { from, to, trigger, guard } = transition;
            let mut number = |name: &str| {
                let number = numbers.get(name).copied();
                if number.is_none() {
                    faults.add(|| format!("{} names the state {name:?}, which is not declared", transition.named()));
                }
                number.unwrap_or(0)
            };
            arrows.push((number(from), number(to)));
            if numbers.get(from.as_str()).is_some_and(|&from| self.states[usize::from(from)].terminal) {
                faults.add(|| format!("{} leaves a terminal state, where an entity has ended", transition.named()));
            }
            // Of several transitions that answer the same, the first whose guard agrees is made.
            let answers = (from, trigger.as_ref(), trigger.is_none().then_some(to));
            if !known.insert((from, to, trigger)) {
                faults.add(|| format!("{} is declared twice", transition.named()));
            } else if unguarded.contains(&answers) {
                faults.add(|| {
                    format!("{} is never made: an earlier one has the trigger and no guard", transition.named())
                });
            }
            if guard.is_none() {
                unguarded.insert(answers);
            }
        }
        arrows
    }

    /// Every state is reached from the initial one, and each that is not terminal has a way out.
    fn check_ways(&self, arrows: &[(u8, u8)], initial: u8, faults: &mut Faults) {
        let mut reached = BTreeSet::from([initial]);
        let mut fresh = vec![initial];
        while let Some(here) = fresh.pop() {
            let next = arrows.iter().filter(|&&(from, _)| from == here).map(|&(_, to)| to);
            fresh.extend(next.filter(|&to| reached.insert(to)));
        }
        for (state, number) in self.states.iter().zip(0_u8..) {
            if !reached.contains(&number) {
                faults.add(|| format!("state {:?} is never reached from the initial one", state.name));
            }
            if !state.terminal && !arrows.iter().any(|&(from, to)| from == number && to != number) {
                faults
                    .add(|| format!("state {:?} has no way out; give it a transition or make it terminal", state.name));
            }
        }
    }

    fn define(self, arrows: Vec<(u8, u8)>, initial: u8) -> Definition {
        let limit = |state: &DraftState| {
            let own = self.stuck_after_in.iter().rev().find(|(name, _)| *name == state.name);
            let limit = own.map_or(self.stuck_after, |&(_, own)| own);
            // What a reading of the clock cannot be over is the same as never.
            (!state.terminal && limit.as_nanos() < u128::from(u64::MAX)).then_some(limit)
        };
        let state = |state: &DraftState| State {
            name: state.name.as_str().into(),
            terminal: state.terminal,
            stuck_after: limit(state),
        };
        let states: Vec<_> = self.states.iter().map(state).collect();
        let mut outgoing = vec![Vec::new(); states.len()];
        for (&(from, _), number) in arrows.iter().zip(0_u16..) {
            if let Some(outgoing) = outgoing.get_mut(usize::from(from)) {
                outgoing.push(number);
            }
        }
        let declared = |(DraftTransition { trigger, guard, .. }, (from, to))| Declared {
            from,
            to,
            trigger: trigger.map(String::into_boxed_str),
            guard,
        };
        let transitions = self.transitions.into_iter().zip(arrows).map(declared).collect();
        let name = self.name.into_boxed_str();
        Definition { name, states, transitions, outgoing, initial, max_entities: self.max_entities }
    }
}

impl DraftTransition {
    fn named(&self) -> String {
        let trigger = self.trigger.as_ref().map_or_else(String::new, |trigger| format!(" on {trigger:?}"));
        format!("the transition from {:?} to {:?}{trigger}", self.from, self.to)
    }
}

fn check_name(faults: &mut Faults, what: &str, name: &str) {
    match name.len() {
        0 => faults.add(|| format!("the name of a {what} is empty; allowed are 1 to {MAX_NAME_BYTES} bytes")),
        1..=MAX_NAME_BYTES => {}
        over => faults.add(|| {
            let start = &name[..name.floor_char_boundary(24)];
            format!("the name of a {what}, {start:?}.., has {over} bytes; allowed are 1 to {MAX_NAME_BYTES}")
        }),
    }
}
