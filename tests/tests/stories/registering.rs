//! Registrations: new, again, away, lapsed, refused.

use expect_test::expect_file;
use model::{EventBody, RegistrationChange};
use patchbay_tests::{connect, everywhere, once, part, refusal};
use sim::{Conduct, Hash, Setup, World, secs};

#[test]
fn a_phone_registers_with_either_hash() {
    let ladder = expect_file!["../../ladders/register.txt"];
    for hash in [Hash::Md5, Hash::Sha256] {
        once(Setup::new(7).digest(&[hash]), &ladder, |world| {
            let phone = world.unregistered("100");
            phone.register();
            world.run_for(secs(1));
            assert!(phone.is_registered());
            let registrations = world.registrations("100");
            assert_eq!(registrations.len(), 1);
            assert_eq!(registrations[0].remote, phone.address().to_string());
            assert_eq!(registrations[0].transport, "udp");
            assert_eq!(registrations[0].user_agent, "SimPhone/1.0");
            assert_eq!(world.counts().bindings, 1);
        });
    }
}

#[test]
fn where_both_hashes_are_offered_each_phone_takes_the_one_it_knows() {
    let world = World::new(Setup::new(7).digest(&[Hash::Sha256, Hash::Md5]));
    for (number, hash) in [("100", Hash::Md5), ("101", Hash::Sha256)] {
        let phone = world.unregistered(number);
        phone.set_hash(hash);
        phone.register();
        world.run_for(secs(1));
        assert!(phone.is_registered(), "{hash:?}");
    }
    world.assert_settled();
}

#[test]
fn a_phone_that_remembers_its_nonce_is_not_challenged_again_until_it_is_stale() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/register_remembered.txt"],
        |world| {
            let (phone, other) = (world.unregistered("100"), world.phone("101"));
            other.set_conduct(Conduct::AnswerAtOnce);
            phone.remember_nonce();
            phone.register();
            assert!(world.run_until(secs(40), || phone.is_registered()));
            phone.dial("101");
            connect(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            // Half an hour later the nonce is old: one more challenge, and no wrong password.
            world.run_for(secs(1800));
            phone.dial("101");
            connect(world, &phone, &other);
            phone.hang_up();
            part(world, &phone, &other);
            assert!(phone.statuses().contains(&401));
        },
    );
}

#[test]
fn a_registration_is_renewed_taken_back_and_lapses() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/register_cycle.txt"],
        |world| {
            let phone = world.unregistered("100");
            phone.set_expires(300);
            phone.register();
            assert!(world.run_until(secs(40), || phone.is_registered()));
            world.run_for(secs(700));
            assert_eq!(world.registrations("100").len(), 1, "it renews itself");
            phone.unregister();
            assert!(world.run_until(secs(40), || !phone.is_registered()));
            assert_eq!(world.registrations("100").len(), 0);

            phone.forget_to_renew();
            phone.register();
            assert!(world.run_until(secs(40), || phone.is_registered()));
            phone.vanish();
            world.run_for(secs(250));
            assert_eq!(world.registrations("100").len(), 1);
            world.run_for(secs(60));
            assert_eq!((world.registrations("100").len(), world.counts().bindings), (0, 0));
            let changes: Vec<RegistrationChange> = world
                .events()
                .iter()
                .filter_map(|event| match &event.body {
                    EventBody::RegistrationChanged { change, .. } => Some(*change),
                    _ => None,
                })
                .collect();
            use RegistrationChange::{Added, Expired, Removed};
            assert_eq!(changes, [Added, Removed, Added, Expired]);
        },
    );
}

#[test]
fn too_short_a_time_is_refused_with_the_shortest_that_will_do() {
    once(Setup::new(7), &expect_file!["../../ladders/register_brief.txt"], |world| {
        let phone = world.unregistered("100");
        phone.set_expires(5);
        phone.register();
        world.run_for(secs(2));
        assert!(phone.is_registered(), "the phone takes Min-Expires");
        phone.unregister();
        world.run_for(secs(2));
    });
}

#[test]
fn a_wrong_password_gets_403_and_no_binding() {
    once(Setup::new(7), &expect_file!["../../ladders/register_wrong_password.txt"], |world| {
        let phone = world.unregistered("100");
        phone.set_password("wrong");
        phone.register();
        world.run_for(secs(2));
        assert_eq!(phone.register_status(), Some(403));
        assert_eq!(world.registrations("100").len(), 0);
        phone.set_password("correct horse");
        phone.register();
        world.run_for(secs(2));
        assert!(phone.is_registered());
    });
}

#[test]
fn who_guesses_passwords_is_ignored_for_a_while_and_nobody_else() {
    let world = World::seeded(7);
    let (honest, other) = (world.phone("100"), world.phone("101"));
    let guesser = world.unregistered("102");
    guesser.set_password("wrong");
    guesser.forget_to_renew();
    let mut answered = 0;
    for _ in 0..40 {
        guesser.register();
        world.run_for(secs(3));
        answered += u32::from(guesser.register_status() == Some(403));
    }
    assert!((3..30).contains(&answered), "{answered} of 40 guesses were answered");
    other.set_conduct(Conduct::AnswerAtOnce);
    honest.dial("101");
    connect(&world, &honest, &other);
    honest.hang_up();
    part(&world, &honest, &other);
    world.run_for(secs(3600));
    guesser.set_password("correct horse");
    guesser.register();
    world.run_for(secs(40));
    assert!(guesser.is_registered(), "the time of being ignored ends");
    world.assert_settled();
}

#[test]
fn a_phone_that_took_its_registration_back_is_not_rung() {
    everywhere(
        |setup| setup,
        &expect_file!["../../ladders/unregistered.txt"],
        |world| {
            let (phone, other) = (world.phone("100"), world.phone("101"));
            other.unregister();
            assert!(world.run_until(secs(40), || !other.is_registered()));
            phone.dial("101");
            assert_eq!(refusal(world, &phone), 480);
            assert_eq!(other.calls_received(), 0);
        },
    );
}

#[test]
fn a_phone_asks_whether_the_switch_is_there() {
    let world = World::seeded(7);
    let phone = world.phone("100");
    phone.ping();
    world.run_for(secs(1));
    assert_eq!(phone.ping_status(), Some(200));
    world.assert_settled();
}

#[test]
fn more_contacts_than_an_extension_may_have_are_refused() {
    let world = World::seeded(7);
    let phones: Vec<_> = (0..12).map(|_| world.unregistered("100")).collect();
    for phone in &phones {
        phone.forget_to_renew();
        phone.register();
        world.run_for(secs(1));
    }
    let registered = phones.iter().filter(|phone| phone.is_registered()).count();
    assert_eq!((registered, world.registrations("100").len()), (10, 10));
    world.assert_settled();
}

#[test]
fn a_phone_that_says_something_else_of_itself_is_told_of_and_a_renewal_is_not() {
    let world = World::new(Setup::new(7));
    let phone = world.phone("100");
    phone.register();
    world.run_for(secs(1));
    let changes = || {
        let of = |event: model::Event| match event.body {
            EventBody::RegistrationChanged { change, .. } => Some(change),
            _ => None,
        };
        world.events().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(changes(), [RegistrationChange::Added]);
    phone.set_preference("0.5");
    phone.register();
    world.run_for(secs(1));
    assert_eq!(changes(), [RegistrationChange::Added, RegistrationChange::Changed]);
}

#[test]
fn an_extension_has_as_many_contacts_as_its_settings_say() {
    let world = World::new(Setup::new(7).workers(2));
    let phones: Vec<_> = (0..3).map(|_| world.unregistered("100")).collect();
    world.change_extension("100", |extension| extension.contacts = 2);
    for (phone, status) in phones.iter().zip([200, 200, 403]) {
        phone.register();
        world.run_for(secs(1));
        assert_eq!(phone.register_status(), Some(status));
    }
    // Who is there already renews, and who goes makes room.
    phones[1].register();
    world.run_for(secs(1));
    assert_eq!(phones[1].register_status(), Some(200));
    phones[0].unregister();
    world.run_for(secs(1));
    phones[2].register();
    world.run_for(secs(1));
    assert_eq!((phones[2].register_status(), world.registrations("100").len()), (Some(200), 2));
    world.change_extension("100", |extension| extension.contacts = 0);
    phones[0].register();
    world.run_for(secs(1));
    assert_eq!(world.registrations("100").len(), 3, "as the configuration says for all");
}

#[test]
fn where_the_operator_likes_the_oldest_contact_makes_room() {
    let setup = Setup::new(7).tuned(|config| (config.policy.max_contacts, config.policy.replace_oldest) = (2, true));
    let world = World::new(setup);
    let phones: Vec<_> = (0..3).map(|_| world.unregistered("100")).collect();
    for phone in [0, 1, 0, 2].map(|n| &phones[n]) {
        phone.register();
        world.run_for(secs(1));
        assert_eq!(phone.register_status(), Some(200));
    }
    let there: Vec<String> = world.registrations("100").into_iter().map(|contact| contact.remote).collect();
    assert_eq!(there, [phones[0].address().to_string(), phones[2].address().to_string()]);
    let gone = |event: &model::Event| {
        matches!(&event.body, EventBody::RegistrationChanged { change, remote, .. }
        if *change == RegistrationChange::Removed && *remote == phones[1].address().to_string())
    };
    assert!(world.events().iter().any(gone));
}
