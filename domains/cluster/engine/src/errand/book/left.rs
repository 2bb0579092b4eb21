//! What runs have left on this machine once their group is elsewhere.

use std::sync::Arc;

use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::Host;
use tsugi_vocabulary::GroupName;

use super::super::folder;
use super::Errands;

impl Errands {
    /// Removes what runs have left of the groups of which nothing is here, by their configuration
    /// (`gone`): a release in an emergency has no time for it, and the group may never start here
    /// again. Nobody waits for it.
    pub fn tidy(
        &mut self,
        host: &mut dyn Host,
        gone: impl Fn(&GroupName) -> Option<Arc<GroupSpec>>,
    ) {
        for group in folder::groups(&self.around) {
            let busy = self.open.values().any(|errand| errand.job.group == group);
            if busy || self.roster.of_group(&group).next().is_some() {
                continue;
            }
            let Some(spec) = gone(&group) else { continue };
            if let Some(request) =
                folder::left_behind(&self.around, (&group, &spec), &mut self.tidied)
            {
                let _asked = host.ask(&request);
            }
        }
    }
}
