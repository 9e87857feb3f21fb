//! Tokens under every kind of module, on a real node.

use alloy::primitives::{Address, Bytes, U256, keccak256};
use alloy::sol;
use alloy::sol_types::SolCall;
use scenario::suite::setting;
use scenario::{Artifacts, Call, ModuleSpec, Node, Suite, Token, TokenSpec};

use crate::support::real::node;

sol! {
    struct Limit { uint32 limitTime; uint256 limitValue; }
    struct Fee { uint256 rate; address collector; }
    interface Module {
        function name() external view returns (string);
        function isCountryAllowed(address compliance, uint16 country) external view returns (bool);
        function isCountryRestricted(address compliance, uint16 country) external view returns (bool);
        function isUserAllowed(address compliance, address user) external view returns (bool);
        function getSupplyLimit(address compliance) external view returns (uint256);
        function getFee(address compliance) external view returns (Fee);
        function getTimeTransferLimits(address compliance) external view returns (Limit[]);
        function getIDBalance(address compliance, address identity) external view returns (uint256);
        function isComplianceBound(address compliance) external view returns (bool);
        function canTransfer(address from, address to, uint256 amount) external view returns (bool);
        function isVerified(address wallet) external view returns (bool);
        function allowUser(address user) external;
        function batchAllowUsers(address[] users) external;
        function disallowUser(address user) external;
        function setFee(uint256 rate, address collector) external;
        function setTimeTransferLimit(Limit limit) external;
        function removeTimeTransferLimit(uint32 limitTime) external;
        function batchPreSetModuleState(address compliance, address[] ids, uint256[] balances) external;
        function preSetModuleState(address compliance, address id, uint256 balance) external;
        function presetCompleted(address compliance) external;
        function upgradeTo(address implementation) external;
    }
}

/// Countries of the story (ISO 3166-1 numeric).
pub const COUNTRIES: [u16; 5] = [SWITZERLAND, GERMANY, RUSSIA, AMERICA, 0];
const SWITZERLAND: u16 = 756;
const GERMANY: u16 = 276;
const RUSSIA: u16 = 643;
const AMERICA: u16 = 840;
const DAY: u32 = 86_400;

/// Seven wallets of five identities, one of them unregistered, and five tokens on one register of wallets.
pub struct Story {
    /// The node.
    pub node: Node,
    /// The platform.
    pub suite: Suite,
    /// `a` and `b` had one identity until `b` got that of `c`; `d` and `e` live where holders may not; `f` is not
    /// registered; `g` holds nothing.
    pub wallets: [Address; 7],
    /// The identities of `a`, `c`, `d`, `e`, `g`.
    pub identities: [Address; 5],
    /// Without modules.
    pub plain: Token,
    /// By country, by balance, by supply.
    pub limits: Token,
    /// Among its members.
    pub club: Token,
    /// Under a balance limit that came, went and came again.
    pub late: Token,
    /// With a fee and a limit by time, which depend on more than rules.
    pub fees: Token,
    /// `TransferRestrictModule`, `TransferFeesModule`, `TimeTransfersLimitsModule`, and one that became another.
    pub modules: [Address; 4],
}

fn units(number: u64) -> U256 {
    U256::from(number)
}

fn data<C: SolCall>(call: C) -> Bytes {
    call.abi_encode().into()
}

/// Where ERC-1967 proxies keep whose code they run.
pub fn implementation_slot() -> U256 {
    U256::from_be_bytes(keccak256("eip1967.proxy.implementation").0) - U256::ONE
}

/// Plays it.
pub async fn story() -> Story {
    let node = node().await;
    let artifacts = Artifacts::open().expect("npm's packages");
    let suite = Suite::deploy(&node, &artifacts, node.account(0)).await.expect("the platform");
    let (owner, agent) = (node.account(1), node.account(2));
    let spec = |symbol: &str| TokenSpec::new(symbol, symbol, 0, owner, agent);
    let plain = suite.deploy_token(&node, &spec("PLAIN")).await.expect("a token");
    let on_its_storage = |symbol: &str, modules: Vec<ModuleSpec>| TokenSpec {
        modules,
        shared_storage: Some(plain.storage),
        ..spec(symbol)
    };
    let limits = on_its_storage("LIMITS", limiting(&suite));
    let limits = suite.deploy_token(&node, &limits).await.expect("a token");
    let mut modules = [Address::ZERO; 4];
    for (place, name) in [
        "TransferRestrictModule",
        "TransferFeesModule",
        "TimeTransfersLimitsModule",
        "TransferRestrictModule",
    ]
    .into_iter()
    .enumerate()
    {
        modules[place] = suite.deploy_module(&node, name).await.expect("a module");
    }
    let club = vec![ModuleSpec { module: modules[0], settings: Vec::new() }];
    let club = suite.deploy_token(&node, &on_its_storage("CLUB", club)).await.expect("a token");
    let late = suite.deploy_token(&node, &on_its_storage("LATE", Vec::new())).await.expect("a token");
    let fees = suite.deploy_token(&node, &on_its_storage("FEES", Vec::new())).await.expect("a token");
    let wallets: [Address; 7] = std::array::from_fn(|place| node.account(3 + place));
    let mut identities = [Address::ZERO; 5];
    for (place, wallet) in [0, 2, 3, 4, 6].into_iter().enumerate() {
        let salt = format!("identity {place}");
        let made = suite.create_identity(&node, wallets[wallet], &salt).await.expect("an identity");
        identities[place] = made.address;
    }
    let story = Story { node, suite, wallets, identities, plain, limits, club, late, fees, modules };
    story.send(&story.begin()).await;
    story.send(&story.limited()).await;
    story.send(&story.restricted()).await;
    story.counted_late().await;
    story.charged().await;
    story.end().await;
    story
}

fn limiting(suite: &Suite) -> Vec<ModuleSpec> {
    let modules = suite.modules;
    let countries = [SWITZERLAND, GERMANY, RUSSIA, AMERICA];
    vec![
        ModuleSpec { module: modules.country_allow, settings: vec![setting::allow_countries(&countries)] },
        ModuleSpec { module: modules.max_balance, settings: vec![setting::max_balance(units(1_000))] },
        ModuleSpec { module: modules.supply_limit, settings: vec![setting::supply_limit(units(3_000))] },
    ]
}

impl Story {
    /// The tokens by name.
    pub fn tokens(&self) -> [(&'static str, &Token); 5] {
        [
            ("plain", &self.plain),
            ("limits", &self.limits),
            ("club", &self.club),
            ("late", &self.late),
            ("fees", &self.fees),
        ]
    }

    /// Every module contract, by the name of its code at the end.
    pub fn all_modules(&self) -> [(&'static str, Address); 8] {
        let suite = self.suite.modules;
        [
            ("CountryAllowModule", suite.country_allow),
            ("CountryRestrictModule", suite.country_restrict),
            ("MaxBalanceModule", suite.max_balance),
            ("SupplyLimitModule", suite.supply_limit),
            ("TransferRestrictModule", self.modules[0]),
            ("TransferFeesModule", self.modules[1]),
            ("TimeTransfersLimitsModule", self.modules[2]),
            ("CountryRestrictModule", self.modules[3]),
        ]
    }

    async fn send(&self, calls: &[Call]) {
        self.node.send_all(calls).await.expect("the story goes on");
    }

    fn begin(&self) -> Vec<Call> {
        let [a, b, c, d, e, _, g] = self.wallets;
        let [of_a, of_c, of_d, of_e, of_g] = self.identities;
        let mut calls = vec![
            self.plain.register(a, of_a, SWITZERLAND),
            self.plain.register(b, of_a, SWITZERLAND),
            self.plain.register(c, of_c, GERMANY),
            self.plain.register(d, of_d, RUSSIA),
            self.plain.register(e, of_e, AMERICA),
            self.plain.register(g, of_g, SWITZERLAND),
        ];
        for (_, token) in self.tokens() {
            calls.extend([token.unpause(), token.mint(a, units(600)), token.mint(c, units(400))]);
        }
        calls.push(self.plain.set_frozen(c, true));
        calls
    }

    fn limited(&self) -> Vec<Call> {
        let [a, b, c, d, e, ..] = self.wallets;
        let (limits, modules) = (&self.limits, self.suite.modules);
        vec![
            limits.mint(b, units(300)),
            limits.mint(d, units(50)),
            limits.mint(e, units(20)),
            limits.add_module(modules.country_restrict),
            limits.call_module(modules.country_restrict, setting::restrict_countries(&[RUSSIA, 4])),
            limits.call_module(modules.country_restrict, setting::unrestrict_countries(&[4])),
            limits.call_module(modules.country_allow, setting::disallow_countries(&[AMERICA])),
            limits.transfer(a, c, units(100)),
            limits.transfer(a, b, units(7)),
            limits.burn(c, units(50)),
            limits.forced_transfer(c, a, units(10)),
            limits.freeze(b, units(200)),
            // What b has stays counted for the identity that it had.
            limits.update_identity(b, self.identities[1]),
            limits.transfer(b, a, units(5)),
            limits.call_module(modules.supply_limit, setting::supply_limit(units(2_000))),
            limits.call_module(modules.supply_limit, setting::supply_limit(units(2_000))),
        ]
    }

    fn restricted(&self) -> Vec<Call> {
        let [a, b, c, ..] = self.wallets;
        let (club, module) = (&self.club, self.modules[0]);
        vec![
            club.call_module(module, data(Module::allowUserCall { user: a })),
            club.call_module(module, data(Module::batchAllowUsersCall { users: vec![a, b, c] })),
            club.call_module(module, data(Module::disallowUserCall { user: c })),
            club.transfer(a, c, units(10)),
        ]
    }

    /// A balance limit on a token that has holders: with presets that are wrong, taken off, and put on again; and while
    /// the token asks another compliance nobody counts.
    async fn counted_late(&self) {
        let [a, _, c, ..] = self.wallets;
        let [of_a, of_c, ..] = self.identities;
        let (late, module) = (&self.late, self.suite.modules.max_balance);
        let compliance = late.compliance;
        let preset = |ids: Vec<Address>, balances: &[u64]| {
            let balances = balances.iter().copied().map(units).collect();
            Call::new(late.owner, module, &Module::batchPreSetModuleStateCall { compliance, ids, balances })
        };
        let again = Module::preSetModuleStateCall { compliance, id: of_c, balance: units(25) };
        let other = self.suite.deploy_compliance(&self.node, late.owner).await.expect("a compliance");
        self.send(&[
            late.transfer(a, c, units(3)),
            preset(vec![of_a, of_c], &[450, 400]),
            Call::new(late.owner, module, &Module::presetCompletedCall { compliance }),
            late.add_module(module),
            late.call_module(module, setting::max_balance(units(800))),
            late.transfer(a, c, units(100)),
            late.mint(c, units(11)),
            late.remove_module(module),
            late.transfer(a, c, units(50)),
            Call::new(late.owner, module, &again),
            late.add_module(module),
            late.transfer(c, a, units(10)),
            late.set_compliance(other),
            late.transfer(a, c, units(5)),
            late.set_compliance(compliance),
            late.transfer(a, c, units(1)),
        ])
        .await;
    }

    async fn charged(&self) {
        let [a, b, ..] = self.wallets;
        let (fees, [_, charging, by_time, upgraded]) = (&self.fees, self.modules);
        let limit = |seconds, value| Module::setTimeTransferLimitCall {
            limit: Limit { limitTime: seconds, limitValue: units(value) },
        };
        let restrict = self.node.provider();
        let code = alloy::providers::Provider::get_storage_at(
            restrict,
            self.suite.modules.country_restrict,
            implementation_slot(),
        )
        .await
        .expect("the slot can be read");
        let implementation = Address::from_word(code.into());
        self.send(&[
            fees.add_agent(charging),
            fees.add_module(charging),
            fees.call_module(charging, data(Module::setFeeCall { rate: units(100), collector: a })),
            fees.call_module(charging, data(Module::setFeeCall { rate: units(200), collector: b })),
            fees.add_module(by_time),
            fees.call_module(by_time, data(limit(DAY, 500))),
            fees.call_module(by_time, data(limit(60, 100))),
            fees.call_module(by_time, data(limit(DAY, 600))),
            fees.call_module(by_time, data(Module::removeTimeTransferLimitCall { limitTime: 60 })),
            fees.add_module(upgraded),
            Call::new(self.suite.deployer, upgraded, &Module::upgradeToCall { implementation }),
        ])
        .await;
    }

    async fn end(&self) {
        let [a, ..] = self.wallets;
        self.send(&[self.plain.freeze(a, units(550)), self.club.pause()]).await;
        self.node.mine(2).await.expect("anvil mines");
    }
}
