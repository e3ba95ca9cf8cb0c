use super::*;

fn push(stack: &Stack, number: u64) -> Option<u64> {
    stack.push(std::ptr::null(), FIRST_NUMBER + number * NUMBER_STEP, 1, || number * 10)
}

fn pop(stack: &Stack, id: u64) -> bool {
    stack.top_two(id).map(|popped| stack.pop(id, popped.frame)).is_some()
}

#[test]
fn calls_nest() {
    let stack = Stack::new();
    let (a, b) = (push(&stack, 1).unwrap(), push(&stack, 2).unwrap());
    assert_eq!(stack.read().iter().map(|f| (f.id, f.parent)).collect::<Vec<_>>(), [(a, GROUND), (b, a)]);
    let popped = stack.top_two(b).unwrap();
    assert_eq!((popped.parent.id(), popped.frame.since()), (a, 20));
    popped.parent.add_child(7);
    stack.pop(b, popped.frame);
    let popped = stack.top_two(a).unwrap();
    assert_eq!((popped.frame.children_ns(), popped.parent.id()), (7, GROUND));
    stack.pop(a, popped.frame);
    assert!(stack.read().is_empty());
}

#[test]
fn a_call_that_ends_before_its_child_leaves_the_child_in_place() {
    let stack = Stack::new();
    let (a, b) = (push(&stack, 1).unwrap(), push(&stack, 2).unwrap());
    assert!(!pop(&stack, a));
    assert!(stack.remove(a).is_some());
    assert_eq!(stack.top().id(), b);
    assert!(!pop(&stack, b), "the frame below is dead");
    assert_eq!(stack.remove(b).unwrap().parent.id(), GROUND);
    push(&stack, 3);
    assert_eq!(stack.depth.load(Ordering::Relaxed), 2, "dead frames are taken off with the last one above them");
}

#[test]
fn a_frame_killed_from_outside_is_used_again() {
    let stack = Stack::new();
    for number in 1..1_000 {
        let id = push(&stack, number).unwrap();
        assert_eq!(stack.kill(id).map(|saved| saved.since), Some(number * 10));
        assert!(stack.kill(id).is_none(), "only once");
    }
}

#[test]
fn a_stack_full_of_dead_frames_is_compacted() {
    let stack = Stack::new();
    let mut ids = vec![push(&stack, 0).unwrap()];
    for number in 1..1_000 {
        ids.push(push(&stack, number).unwrap_or_else(|| panic!("no room for call {number}")));
        if number > 3 {
            assert!(stack.remove(ids.remove(1)).is_some());
        }
    }
    let views: Vec<_> = stack.read().iter().map(|frame| frame.id).collect();
    assert_eq!(views, ids);
    assert_eq!(stack.read()[1].since, 9_970, "its figures moved with it");
}

#[test]
fn a_full_stack_says_so_and_recovers() {
    let stack = Stack::new();
    let pushed: Vec<_> = (1..=100).map(|number| push(&stack, number)).collect();
    assert_eq!(pushed.iter().filter(|id| id.is_none()).count(), 100 - (DEPTH - 1));
    for id in pushed.into_iter().flatten().rev() {
        assert!(pop(&stack, id));
    }
    assert_eq!(stack.top().id(), GROUND);
    assert!(stack.top_two(GROUND).is_none() && stack.top_two(0).is_none(), "the ground is never taken off");
}

#[test]
fn frames_move_from_stack_to_stack() {
    let (here, there) = (Stack::new(), Stack::new());
    let ids: Vec<_> = (1..=3).map(|number| push(&here, number).unwrap()).collect();
    here.top().add_child(5);
    let mut saved = Vec::new();
    here.take_above(ids[0], |frame, id, _| saved.extend(frame.take(id)));
    assert!(here.is_on_top(ids[0]));
    let (first, second) = (push(&there, 8).unwrap(), push(&there, 9).unwrap());
    for frame in saved {
        assert!(there.restore(std::ptr::null(), frame, frame.id));
    }
    let views: Vec<_> = there.read().iter().map(|f| (f.id, f.since)).collect();
    assert_eq!(views, [(first, 80), (second, 90), (ids[1], 20), (ids[2], 30)]);
    assert_eq!(there.top().children_ns(), 5);
    assert!(!pop(&there, ids[2]), "it is not where its id says");
    assert!(there.remove(ids[2]).is_some() && there.remove(ids[1]).is_some());
    assert!(pop(&there, second) && pop(&there, first));
}

#[test]
fn nothing_is_put_on_a_sealed_stack() {
    let stack = Stack::new();
    let ids: Vec<_> = (1..DEPTH as u64).map(|number| push(&stack, number).unwrap()).collect();
    stack.seal();
    stack.seal();
    assert!(stack.remove(ids[62]).is_some() && stack.remove(ids[3]).is_some());
    assert!(push(&stack, 100).is_none());
    assert_eq!((stack.read().len(), stack.top().id()), (61, ids[61]));
    stack.unseal();
    assert!(push(&stack, 100).is_none());
    stack.unseal();
    assert!(pop(&stack, ids[61]));
    assert!(push(&stack, 100).is_some());
}

#[test]
fn a_frame_that_changed_hands_is_not_said_to_be_of_another_trace() {
    let stack = Stack::new();
    let (a, b) = (push(&stack, 1).unwrap(), push(&stack, 2).unwrap());
    let above = &stack.frames[2];
    // As a thread that ends `a` from outside does it, late.
    assert!(pop(&stack, b));
    let c = push(&stack, 3).unwrap();
    above.set_root(b, a);
    assert_eq!((above.id(), above.root(), above.root_as_seen(b)), (c, c, a));
}

#[test]
fn a_stack_is_cleared_for_the_next_thread() {
    let stack = Stack::new();
    let id = push(&stack, 1).unwrap();
    stack.take_all(|_, _, _| ());
    assert!(stack.read().is_empty());
    assert!(!pop(&stack, id));
}
