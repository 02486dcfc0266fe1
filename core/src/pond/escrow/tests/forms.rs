//! Operations and their one form as payloads.

use super::world::stream;
use crate::error::ErrorKind;
use crate::event::StreamId;
use crate::event::cbor::Value;
use crate::pond::escrow::{
    AMOUNT_MAX, AccountId, Action, Change, Creation, Operation, SHARES_MAX, Share,
};
use proptest::prelude::*;

fn any_stream() -> impl Strategy<Value = StreamId> {
    (0usize..200, 0u64..4096).prop_map(|(node, number)| StreamId { number, ..stream(node) })
}

fn any_action() -> impl Strategy<Value = Action> {
    let amount = 1..=AMOUNT_MAX;
    prop_oneof![
        amount.clone().prop_map(Action::Deposit),
        amount.clone().prop_map(Action::Withdraw),
        (0..=AMOUNT_MAX).prop_map(Action::Request),
        (any_stream(), amount.clone()).prop_map(|(to, amount)| Action::Grant { to, amount }),
        (0u64..4096, amount, any::<u64>(), any::<u64>()).prop_map(
            |(from, amount, income, outgo)| Action::Recover { from, amount, income, outgo }
        ),
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let note = prop_oneof![Just(None), any::<i64>().prop_map(|note| Some(Value::from(note)))];
    let change = (any::<[u8; 16]>(), 0u64..4096, any_action(), note).prop_map(
        |(account, stream, action, note)| {
            let account = AccountId::from_bytes(account);
            Operation::Change(Change { account, stream, action, note })
        },
    );
    let shares = prop::collection::vec((any_stream(), 1u64..1000), 0..5);
    let create = (0u64..4096, -1000i64..1000, 5000i64..9000, shares).prop_map(
        |(stream, floor, above, shares)| {
            let shares = shares.into_iter().map(|(stream, amount)| Share { stream, amount });
            let (amount, shares) = (floor + above, shares.collect());
            Operation::Create(Creation { stream, amount, floor, shares })
        },
    );
    prop_oneof![change, create]
}

proptest! {
    #[test]
    fn an_operation_comes_back_from_its_payload(operation in any_operation()) {
        let payload = operation.to_payload().unwrap();
        prop_assert_eq!(Operation::decode(payload.as_bytes()), Some(operation));
    }

    #[test]
    fn other_bytes_say_nothing(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(Operation::decode(&bytes), None);
    }
}

#[test]
fn a_payload_that_is_not_exactly_of_the_form_says_nothing() {
    let account = ("account", Value::Bytes(vec![7; 16]));
    let sound = [
        ("op", Value::from("withdraw")),
        account.clone(),
        ("stream", Value::from(0u64)),
        ("amount", Value::from(5u64)),
    ];
    let decode = |pairs: &[(&str, Value)]| {
        Operation::decode(&Value::map(pairs.iter().cloned()).encode().unwrap())
    };
    assert!(decode(&sound).is_some());
    let with = |name: &'static str, value: Value| {
        let mut pairs = sound.to_vec();
        pairs.retain(|(own, _)| *own != name);
        pairs.push((name, value));
        pairs
    };
    for wrong in [
        with("op", Value::from("borrow")),
        with("op", Value::from("grant")),
        with("account", Value::Bytes(vec![7; 15])),
        with("account", Value::from("steel")),
        with("stream", Value::from(4096u64)),
        with("stream", Value::from(-1i64)),
        with("amount", Value::from(0u64)),
        with("amount", Value::from(AMOUNT_MAX + 1)),
        with("amount", Value::Float(5.0)),
        with("to", Value::Array(Vec::new())),
        sound[..3].to_vec(),
        Vec::new(),
    ] {
        assert_eq!(decode(&wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_creation_is_checked_as_it_is_decoded() {
    let share = |amount| Share { stream: stream(1), amount };
    let creation =
        |amount, floor, shares: Vec<Share>| Creation { stream: 0, amount, floor, shares };
    let limit = AMOUNT_MAX as i64;
    for sound in [
        creation(0, 0, vec![]),
        creation(-5, -10, vec![share(5)]),
        creation(limit, -limit, vec![share(AMOUNT_MAX), share(AMOUNT_MAX)]),
    ] {
        sound.check().unwrap();
        let payload = Operation::Create(sound.clone()).to_payload().unwrap();
        assert_eq!(Operation::decode(payload.as_bytes()), Some(Operation::Create(sound)));
    }
    let branch = Share { stream: StreamId { number: 8192, ..stream(1) }, amount: 1 };
    for (wrong, kind) in [
        (creation(limit + 1, 0, vec![]), ErrorKind::LimitExceeded),
        (creation(0, i64::MIN, vec![]), ErrorKind::LimitExceeded),
        (creation(5, 6, vec![]), ErrorKind::InvalidArgument),
        (creation(5, 0, vec![share(3), share(3)]), ErrorKind::InvalidArgument),
        (creation(5, 0, vec![share(0)]), ErrorKind::InvalidArgument),
        (creation(5, 0, vec![branch]), ErrorKind::InvalidArgument),
        (creation(9999, 0, vec![share(1); SHARES_MAX + 1]), ErrorKind::LimitExceeded),
    ] {
        assert_eq!(wrong.check().unwrap_err().kind(), kind, "{wrong:?}");
        let payload = Operation::Create(wrong.clone()).to_payload().unwrap();
        assert_eq!(Operation::decode(payload.as_bytes()), None, "{wrong:?}");
    }
}
