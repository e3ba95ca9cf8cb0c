//! State machines against a model: a few maps and lists that are obviously right.
//!
//! Definitions are random (states, triggers, guards, terminal states), and so is what is done: entities begin, move,
//! are removed and end, handles on ended ones are used on, time passes. After each step the machine must have answered
//! as the model did; at the end every figure must be the model's.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use monitor_core::{Entity, GuardContext, Histogram, Monitor, Refusal, StateMachine, StateMachineStats};
use proptest::prelude::*;
use tests::with_clock;

const TRIGGERS: [&str; 3] = ["red", "green", "blue"];
const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const MAX_ENTITIES: usize = 3;
const STUCK_AFTER_NS: u64 = 40_000;

fn name(state: usize) -> String {
    format!("s{state}")
}

/// The rule of all guards.
fn agrees(entity: &str, from: &str, to: &str) -> bool {
    let sum: u32 = [entity, from, to].into_iter().flat_map(str::bytes).map(u32::from).sum();
    !sum.is_multiple_of(3)
}

#[derive(Debug, Clone, PartialEq)]
struct Arrow {
    from: usize,
    to: usize,
    trigger: Option<usize>,
    guarded: bool,
}

impl Arrow {
    fn answers_as(&self, other: &Arrow) -> bool {
        self.from == other.from && self.trigger == other.trigger && (self.trigger.is_some() || self.to == other.to)
    }
}

#[derive(Debug, Clone)]
struct Rules {
    terminal: Vec<bool>,
    arrows: Vec<Arrow>,
}

impl Rules {
    fn add(&mut self, arrow: Arrow) {
        let shadowed = self.arrows.iter().any(|known| known.answers_as(&arrow) && !known.guarded);
        let same = |known: &Arrow| (known.from, known.to, known.trigger) == (arrow.from, arrow.to, arrow.trigger);
        if !shadowed && !self.arrows.iter().any(same) && !self.terminal[arrow.from] {
            self.arrows.push(arrow);
        }
    }

    fn machine(&self, monitor: &Monitor) -> StateMachine {
        let mut builder = monitor.state_machine("model").max_entities(MAX_ENTITIES);
        builder = builder.stuck_after(Duration::from_nanos(STUCK_AFTER_NS));
        for (state, &terminal) in self.terminal.iter().enumerate() {
            builder = if terminal { builder.terminal(name(state)) } else { builder.state(name(state)) };
        }
        for arrow in &self.arrows {
            builder = builder.transition(name(arrow.from), name(arrow.to));
            if let Some(trigger) = arrow.trigger {
                builder = builder.on(TRIGGERS[trigger]);
            }
            if arrow.guarded {
                builder = builder.guard(|asked: &GuardContext<'_>| {
                    if agrees(asked.entity(), asked.from(), asked.to()) { Ok(()) } else { Err("no".into()) }
                });
            }
        }
        builder.build().unwrap()
    }
}

prop_compose! {
    fn rules()(
        (spine, terminal) in (2_usize..7).prop_flat_map(|n| (
            prop::collection::vec(any::<(prop::sample::Index, bool)>(), n - 1),
            prop::collection::vec(prop::bool::weighted(0.3), n - 1),
        )),
        extra in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::option::of(0..3_usize), any::<bool>()), 0..12),
    ) -> Rules {
        let states = spine.len() + 1;
        let mut rules = Rules { terminal: [false].into_iter().chain(terminal).collect(), arrows: Vec::new() };
        // Every state is reached from an earlier one, by naming it, so that nothing shadows it.
        for (state, (from, guarded)) in spine.iter().enumerate().map(|(at, part)| (at + 1, part)) {
            let earlier: Vec<_> = (0..state).filter(|&earlier| !rules.terminal[earlier]).collect();
            rules.add(Arrow { from: *from.get(&earlier), to: state, trigger: None, guarded: *guarded });
        }
        for state in 0..states {
            if !rules.arrows.iter().any(|arrow| arrow.from == state && arrow.to != state) {
                let to = usize::from(state == 0);
                rules.add(Arrow { from: state, to, trigger: None, guarded: false });
            }
        }
        for (from, to, trigger, guarded) in extra {
            rules.add(Arrow { from: from.index(states), to: to.index(states), trigger, guarded });
        }
        rules
    }
}

#[derive(Debug, Clone)]
enum Act {
    Begin(usize),
    /// Of the handle, to the state; one state too many, so that unknown ones are asked for too.
    To(prop::sample::Index, prop::sample::Index),
    /// One trigger too many.
    Trigger(prop::sample::Index, usize),
    Remove(usize),
    Advance(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..IDS.len()).prop_map(Act::Begin),
        6 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(handle, state)| Act::To(handle, state)),
        4 => (any::<prop::sample::Index>(), 0..=TRIGGERS.len()).prop_map(|(handle, trigger)| Act::Trigger(handle, trigger)),
        1 => (0..IDS.len()).prop_map(Act::Remove),
        4 => (1_u64..30_000).prop_map(Act::Advance),
    ]
}

/// `from`, `to`, trigger, when, how long in `from`.
type Way = (usize, usize, Option<usize>, u64, u64);

#[derive(Debug, Clone, PartialEq)]
enum Life {
    Alive,
    Ended,
    Removed,
}

/// One entity, from its beginning on; another life of the same id is another one.
#[derive(Debug, Clone)]
struct Being {
    id: &'static str,
    state: usize,
    begun: u64,
    since: u64,
    life: Life,
    ways: Vec<Way>,
}

struct Model {
    rules: Rules,
    now: u64,
    beings: Vec<Being>,
    /// Places among the beings, in the order in which they ended.
    ended: Vec<usize>,
    /// All transitions, with the id.
    made: Vec<(&'static str, Way)>,
    entered: Vec<u64>,
    removed: Vec<u64>,
    refused: BTreeMap<String, u64>,
    over_cap: u64,
}

impl Model {
    fn new(rules: Rules) -> Model {
        let (entered, removed) = (vec![0; rules.terminal.len()], vec![0; rules.terminal.len()]);
        let (beings, ended, made, refused) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Model { rules, now: 0, beings, ended, made, entered, removed, refused, over_cap: 0 }
    }

    fn alive(&self, id: &str) -> Option<usize> {
        self.beings.iter().position(|being| being.id == id && being.life == Life::Alive)
    }

    fn living(&self) -> impl Iterator<Item = &Being> {
        self.beings.iter().filter(|being| being.life == Life::Alive)
    }

    fn begin(&mut self, id: &'static str) -> Option<usize> {
        if let Some(known) = self.alive(id) {
            return Some(known);
        }
        if self.living().count() >= MAX_ENTITIES {
            self.over_cap += 1;
            return None;
        }
        let (begun, since) = (self.now, self.now);
        self.beings.push(Being { id, state: 0, begun, since, life: Life::Alive, ways: Vec::new() });
        self.entered[0] += 1;
        Some(self.beings.len() - 1)
    }

    /// `Ok` with the way that was gone.
    fn go(&mut self, being: usize, to: Option<usize>, trigger: Option<usize>) -> Result<Way, Refusal> {
        let result = self.judge(being, to, trigger);
        match result {
            Err(reason) => *self.refused.entry(reason.as_str().to_owned()).or_default() += 1,
            Ok(way) => {
                let ends = self.rules.terminal[way.1];
                let mover = &mut self.beings[being];
                (mover.state, mover.since) = (way.1, self.now);
                mover.ways.push(way);
                self.entered[way.1] += 1;
                self.made.push((mover.id, way));
                if ends {
                    mover.life = Life::Ended;
                    self.ended.push(being);
                }
            }
        }
        result
    }

    fn judge(&self, being: usize, to: Option<usize>, trigger: Option<usize>) -> Result<Way, Refusal> {
        let Being { id, state, since, ref life, .. } = self.beings[being];
        match life {
            Life::Ended => return Err(Refusal::Ended),
            Life::Removed => return Err(Refusal::Removed),
            Life::Alive => {}
        }
        let fitting: Vec<_> = self
            .rules
            .arrows
            .iter()
            .filter(|arrow| arrow.from == state && arrow.trigger == trigger && to.is_none_or(|to| arrow.to == to))
            .collect();
        if fitting.is_empty() {
            let known = |trigger| self.rules.arrows.iter().any(|arrow| arrow.trigger == Some(trigger));
            return Err(match (to, trigger) {
                (Some(to), _) if to >= self.rules.terminal.len() => Refusal::UnknownState,
                (_, Some(trigger)) if !known(trigger) => Refusal::UnknownTrigger,
                _ => Refusal::Undeclared,
            });
        }
        let agreed = fitting.iter().find(|arrow| !arrow.guarded || agrees(id, &name(state), &name(arrow.to)));
        agreed.map(|arrow| (state, arrow.to, trigger, self.now, self.now - since)).ok_or(Refusal::Guard)
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(being) = self.alive(id) else { return false };
        self.beings[being].life = Life::Removed;
        self.removed[self.beings[being].state] += 1;
        true
    }
}

fn at(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)
}

fn of_trigger(trigger: Option<usize>) -> Option<&'static str> {
    trigger.map(|trigger| TRIGGERS[trigger])
}

fn assert_history(entity: &Entity, being: &Being) {
    let last = being.ways.len().saturating_sub(32);
    let expected: Vec<_> = being.ways[last..]
        .iter()
        .map(|&(from, to, trigger, when, stayed)| {
            (name(from), name(to), of_trigger(trigger), at(when), Duration::from_nanos(stayed))
        })
        .collect();
    let found: Vec<_> = entity
        .history()
        .iter()
        .map(|made| (made.from().to_owned(), made.to().to_owned(), made.trigger(), made.at(), made.time_in_state()))
        .collect();
    assert_eq!(found, expected);
}

fn assert_stats(stats: &StateMachineStats, model: &Model) {
    let alive = model.living().count() as u64;
    let ended = model.ended.len() as u64;
    let removed: u64 = model.removed.iter().sum();
    assert_eq!((stats.entities, stats.ended, stats.removed), (alive, ended, removed));
    assert_eq!((stats.begun, stats.entities_refused), (model.beings.len() as u64, model.over_cap));
    assert_eq!(stats.begun, stats.entities + stats.ended + stats.removed);
    for (state, found) in stats.states.iter().enumerate() {
        let stays: Vec<u64> = model.made.iter().filter(|(_, way)| way.0 == state).map(|(_, way)| way.4).collect();
        let mut durations = Histogram::new();
        for &stay in &stays {
            durations.record(stay);
        }
        let here = model.living().filter(|being| being.state == state).count() as u64;
        assert_eq!((found.name.as_str(), found.entities), (name(state).as_str(), here));
        assert_eq!((found.entered, found.left), (model.entered[state], stays.len() as u64));
        assert_eq!(found.removed, model.removed[state]);
        assert_eq!((&found.durations, found.total_time), (&durations, Duration::from_nanos(stays.iter().sum())));
        if !found.terminal {
            assert_eq!(found.entered, found.left + found.removed + found.entities);
        }
    }
    for (arrow, found) in model.rules.arrows.iter().zip(&stats.transitions) {
        let count = model.made.iter().filter(|(_, way)| (way.0, way.1, way.2) == (arrow.from, arrow.to, arrow.trigger));
        assert_eq!((found.trigger.as_deref(), found.count), (of_trigger(arrow.trigger), count.count() as u64));
    }
    assert_eq!(stats.refused, model.refused);
    let over = |being: &Being| being.ways.len().saturating_sub(32) as u64;
    assert_eq!(stats.history_dropped, model.beings.iter().map(over).sum::<u64>());
    assert_listed(stats, model);
}

fn assert_listed(stats: &StateMachineStats, model: &Model) {
    let stuck = |being: &&Being| model.now - being.since > STUCK_AFTER_NS;
    let mut stuck: Vec<_> = model.living().filter(stuck).map(|being| (being.since, being.id)).collect();
    stuck.sort_unstable();
    let listed: Vec<_> = stats.stuck.iter().map(|entity| (entity.since, entity.id.as_str())).collect();
    assert_eq!(listed, stuck.iter().map(|&(since, id)| (at(since), id)).collect::<Vec<_>>());
    assert!(stats.stuck.iter().all(monitor_core::EntityStats::is_stuck));
    assert_eq!(stats.stuck_entities, stuck.len() as u64);

    let mut oldest: Vec<_> = model.living().map(|being| (being.begun, being.id, name(being.state))).collect();
    oldest.sort_unstable();
    let listed: Vec<_> = stats.oldest.iter().map(|e| (e.begun_at, e.id.as_str(), e.state.clone())).collect();
    assert_eq!(listed, oldest.into_iter().map(|(begun, id, state)| (at(begun), id, state)).collect::<Vec<_>>());

    let last = model.made.len().saturating_sub(64);
    let recent: Vec<_> =
        model.made[last..].iter().map(|&(id, way)| (id, name(way.0), name(way.1), at(way.3))).collect();
    let found: Vec<_> = stats.recent.iter().map(|r| (r.entity.as_str(), r.from.clone(), r.to.clone(), r.at)).collect();
    assert_eq!(found, recent);
}

fn assert_ended(machine: &StateMachine, model: &Model) {
    let found = machine.ended();
    assert_eq!(found.len(), model.ended.len());
    for (found, &being) in found.iter().zip(model.ended.iter().rev()) {
        let being = &model.beings[being];
        assert_eq!((found.id.as_str(), &found.state), (being.id, &name(being.state)));
        assert_eq!((found.begun_at, found.ended_at), (at(being.begun), at(being.since)));
        assert_eq!(found.lifetime, Duration::from_nanos(being.since - being.begun));
        assert_eq!((found.transitions, found.history.len()), (being.ways.len() as u64, being.ways.len().min(32)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_machine_is_its_model(rules in rules(), acts in prop::collection::vec(act(), 1..150)) {
        let (monitor, clock) = with_clock();
        let machine = rules.machine(&monitor);
        let mut model = Model::new(rules);
        let mut handles: Vec<(Entity, usize)> = Vec::new();
        for act in acts {
            match act {
                Act::Advance(ns) => {
                    clock.advance(Duration::from_nanos(ns));
                    model.now += ns;
                }
                Act::Begin(id) => {
                    let (found, expected) = (machine.entity(IDS[id]), model.begin(IDS[id]));
                    prop_assert_eq!(found.is_ok(), expected.is_some());
                    if let (Ok(entity), Some(being)) = (found, expected) {
                        prop_assert_eq!(entity.state(), name(model.beings[being].state));
                        handles.push((entity, being));
                    }
                }
                Act::Remove(id) => prop_assert_eq!(machine.remove(IDS[id]), model.remove(IDS[id])),
                Act::To(..) | Act::Trigger(..) if handles.is_empty() => {}
                Act::To(handle, state) => {
                    let (entity, being) = handle.get(&handles);
                    let state = state.index(model.rules.terminal.len() + 1);
                    let expected = model.go(*being, Some(state), None);
                    let found = entity.to(&name(state));
                    let found = found.map(|made| (made.from().to_owned(), made.to().to_owned(), made.time_in_state()));
                    let expected = expected.map(|way| (name(way.0), name(way.1), Duration::from_nanos(way.4)));
                    prop_assert_eq!(found.map_err(|error| error.reason()), expected);
                }
                Act::Trigger(handle, trigger) => {
                    let (entity, being) = handle.get(&handles);
                    let expected = model.go(*being, None, Some(trigger));
                    let found = entity.trigger(TRIGGERS.get(trigger).copied().unwrap_or("unheard of"));
                    let found = found.map(|made| (made.to().to_owned(), made.trigger().map(str::to_owned), made.at()));
                    let expected = expected.map(|way| (name(way.1), of_trigger(way.2).map(str::to_owned), at(way.3)));
                    prop_assert_eq!(found.map_err(|error| error.reason()), expected);
                }
            }
            for (entity, being) in &handles {
                let being = &model.beings[*being];
                prop_assert_eq!(entity.state(), name(being.state));
                prop_assert_eq!(entity.has_ended(), being.life == Life::Ended);
                let time = (being.life == Life::Alive).then(|| Duration::from_nanos(model.now - being.since));
                prop_assert_eq!(entity.time_in_state(), time);
            }
        }
        for (entity, being) in &handles {
            let being = &model.beings[*being];
            if being.life != Life::Removed {
                assert_history(entity, being);
            }
        }
        assert_stats(&machine.stats(), &model);
        assert_ended(&machine, &model);
        let snapshot = monitor.snapshot();
        prop_assert_eq!(snapshot.state_machine("model"), Some(&machine.stats()));
        let json = serde_json::to_string(&snapshot).unwrap();
        prop_assert_eq!(serde_json::from_str::<monitor_core::Snapshot>(&json).unwrap(), snapshot);
    }
}
