//! Prints what the model finds: in all scenes, or in those whose names are given.

fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    if named.is_empty() {
        println!("{}", tsugi_model::report());
        return;
    }
    for scene in tsugi_model::scenes().into_iter().filter(|s| named.iter().any(|n| n == s.name)) {
        let found = tsugi_model::walk(scene.clone(), None);
        println!("{found}\n{}", found.steps);
        for away in tsugi_model::TAKEN_AWAY.iter().filter(|away| away.scene == scene.name) {
            let found = tsugi_model::walk(scene.clone(), Some((away.rule, away.fault)));
            println!("{found}\n{}", found.steps);
        }
    }
}
