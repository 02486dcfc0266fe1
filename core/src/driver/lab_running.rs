//! Effects of a lab that run again and again: once for each state that time has brought about.

use crate::driver::lab_node::LabNode;
use crate::driver::node::PublishOptions;
use crate::driver::pond::{Acting, Wanted};
use crate::error::{ErrorKind, Result};
use crate::pond::Fish;
use crate::pond::lab::Lab;

/// An effect that is kept running, in the life of a node that it began in.
struct Kept<S, E, C> {
    node: usize,
    life: u64,
    fish: Fish<S>,
    /// The number of the state that it saw last.
    seen: u64,
    effect: E,
    cancel_when: C,
}

impl LabNode<'_> {
    /// As [`Node::keep_running`](crate::Node::keep_running), but that there is nothing to wait for:
    /// the effect runs now, and then once by each call of the lab that lets time pass, when that
    /// has passed, if the state is a new one; until `cancel_when` holds for one or the node's
    /// process ends. What it publishes is delivered when time passes again. An error of it ends it,
    /// and is that of this call or of the one that let time pass.
    ///
    /// # Errors
    /// As [`LabNode::run_with`]; `closed`: the node does not run.
    pub fn keep_running<S: Send + 'static>(
        &mut self,
        fish: &Fish<S>,
        effect: impl FnMut(&S) -> Wanted + Send + 'static,
        cancel_when: impl FnMut(&S) -> bool + Send + 'static,
    ) -> Result<()> {
        Acting::check_none()?;
        self.state(fish)?;
        let (node, life) = (self.node, self.lab.life(self.node)?);
        let mut kept = Kept { node, life, fish: fish.clone(), seen: 0, effect, cancel_when };
        if kept.run(self.lab)? {
            self.lab.keep(Box::new(move |lab| kept.run(lab)));
        }
        Ok(())
    }
}

impl<S, E, C> Kept<S, E, C>
where
    S: Send + 'static,
    E: FnMut(&S) -> Wanted,
    C: FnMut(&S) -> bool,
{
    /// Runs if there is a state that it has not seen; false when it is over.
    fn run(&mut self, lab: &mut Lab) -> Result<bool> {
        if lab.life(self.node)? != self.life {
            return Ok(false);
        }
        match self.act(lab) {
            // The node ended in the middle of it.
            Err(error) if error.kind() == ErrorKind::Closed => Ok(false),
            acted => acted,
        }
    }

    fn act(&mut self, lab: &mut Lab) -> Result<bool> {
        let mut node = lab.node(self.node)?;
        let state = node.state(&self.fish)?;
        let number = node.lab.shown().map_or(0, |shown| shown.number);
        if number == self.seen {
            return Ok(true);
        }
        self.seen = number;
        let Kept { fish, effect, cancel_when, .. } = self;
        let mut is_last = false;
        node.publish_of(fish, PublishOptions::default(), || {
            is_last = cancel_when(&state);
            if is_last { Ok(Vec::new()) } else { effect(&state) }
        })?;
        Ok(!is_last)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::cbor::Value;
    use crate::event::{NewEvent, Payload, TagSet};
    use crate::pond::Fish;
    use crate::query::Query;
    use crate::testing::{Lab, LabOptions};
    use crate::{ErrorKind, PublishOptions};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    fn events(tag: &str, count: u64) -> Vec<NewEvent> {
        let payload = Payload::from_value(&Value::Null).unwrap();
        let one = NewEvent { tags: TagSet::new([tag]).unwrap(), payload };
        vec![one; count as usize]
    }

    fn count(tag: &str) -> Fish<u64> {
        let query = Query::parse(&format!("FROM '{tag}'")).unwrap();
        let step = |count: &mut u64, _: crate::EventView<'_>| {
            *count += 1;
            Ok(())
        };
        Fish::new(tag, 1, query, || 0, step).unwrap()
    }

    fn put(lab: &mut Lab, node: usize, tag: &str) {
        let mut node = lab.node(node).unwrap();
        node.publish(events(tag, 1), PublishOptions::default()).wait().unwrap();
    }

    /// Orders at node 0 as many as were wanted, until 3 were; says the states that it saw.
    fn keep_ordering(lab: &mut Lab) -> Receiver<u64> {
        let (say, said) = channel();
        let order = move |wanted: &u64| {
            say.send(*wanted).unwrap();
            Ok(events("ordered", *wanted))
        };
        lab.node(0).unwrap().keep_running(&count("wanted"), order, |wanted| *wanted == 3).unwrap();
        said
    }

    #[test]
    fn an_effect_is_kept_running_once_for_each_state_that_time_has_brought_about() {
        let mut lab = Lab::new(&LabOptions::new(2, 1)).unwrap();
        let said = keep_ordering(&mut lab);
        assert_eq!(said.try_recv(), Ok(0), "at once");
        put(&mut lab, 1, "wanted");
        lab.cut(&[vec![0], vec![1]]).unwrap();
        lab.settle().unwrap();
        assert!(said.try_recv().is_err(), "it is not there");
        put(&mut lab, 0, "wanted");
        assert!(said.try_recv().is_err(), "no time has passed");
        lab.advance(Duration::from_millis(1)).unwrap();
        lab.advance(Duration::from_millis(1)).unwrap();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [1], "once");
        lab.calm().unwrap();
        assert_eq!(said.try_recv(), Ok(2));
        put(&mut lab, 1, "wanted");
        lab.settle().unwrap();
        assert!(said.recv().is_err(), "it is over, and let go of");
        lab.settle().unwrap();
        for node in 0..2 {
            assert_eq!(lab.node(node).unwrap().state(&count("ordered")).unwrap(), 3);
        }
    }

    #[test]
    fn an_effect_that_is_kept_running_ends_with_the_process_of_its_node() {
        let mut lab = Lab::new(&LabOptions::new(1, 1)).unwrap();
        let said = keep_ordering(&mut lab);
        lab.crash(0).unwrap();
        lab.start(0).unwrap();
        put(&mut lab, 0, "wanted");
        lab.settle().unwrap();
        assert_eq!(said.iter().collect::<Vec<_>>(), [0]);
        lab.crash(0).unwrap();
        let refused = lab.node(0).unwrap().keep_running(&count("a"), |_| Ok(Vec::new()), |_| false);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed);
        // Also where it dies in what the effect publishes.
        let mut lab = Lab::new(&LabOptions { faults: 1, ..LabOptions::new(1, 1) }).unwrap();
        let act = |_: &u64| Ok(events("wanted", 1));
        lab.node(0).unwrap().keep_running(&count("wanted"), act, |_| false).unwrap();
        assert!(!lab.is_up(0).unwrap());
        lab.calm().unwrap();
    }

    #[test]
    fn what_an_effect_that_is_kept_running_fails_with_comes_of_the_call_that_let_time_pass() {
        let mut lab = Lab::new(&LabOptions::new(1, 1)).unwrap();
        let fails = |count: &u64| match *count {
            0 => Ok(Vec::new()),
            _ => Err("no paper".into()),
        };
        lab.node(0).unwrap().keep_running(&count("wanted"), fails, |_| false).unwrap();
        let said = keep_ordering(&mut lab);
        put(&mut lab, 0, "wanted");
        let error = lab.settle().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::UserCode, Some("effect")));
        assert!(error.message().contains("no paper"), "{error}");
        lab.settle().unwrap();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), [0, 1], "the other one goes on");
    }
}
