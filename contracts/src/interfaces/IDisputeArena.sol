// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The dispute game: clocks and money around the rules of SPEC 08
/// @notice One slot per game: the commit's record, then the hash of the game's state. Everything else is in calldata and
/// events. Nobody owns the arena; its parameters never change.
/// Moves 3 to 12 take (game, state, payload, signature). `state` is the 375 bytes of the last `Moved`, or of the opening,
/// which job and head in `Opened` give; `signature` is
/// empty when the sender is the party to move or its delegate, else 65 bytes r, s, v of one of them over
/// Move(game, slot, keccak(payload)). The layout of each payload is SPEC 08 §7.
interface IDisputeArena {
    /// @notice The slot of a commit is taken.
    error Taken(bytes32 key);
    /// @notice There is no such commit, or it became a game.
    error NoCommit(bytes32 key);
    /// @notice An open needs a later block than its commit and comes at most `latest` after it.
    error OutOfTime(uint256 time, uint256 earliest, uint256 latest);
    /// @notice The commit came after the claim's window.
    error WindowOver(uint256 committed, uint256 windowEnd);
    /// @notice The bond is above what the opener accepted.
    error BondTooHigh(uint256 bond, uint256 most);
    /// @notice The claim's signer is no key of the node, or was retired more than U before the commit.
    error NotKey(address node, address key);
    /// @notice The signer or sender is neither the party to move nor its delegate.
    error NotParty(address who, address party);
    /// @notice The move came after the deadline.
    error TooLate(uint256 time, uint256 deadline);
    /// @notice The deadline is not over, or the flag that a timeout would set is set.
    error TooEarly(uint256 time, uint256 deadline);
    /// @notice Nothing is held for that case, or it is held until a later time.
    error NothingToSettle(bytes32 caseId, uint256 settleAt);
    /// @notice These bytes are not what the verdict on the case holds.
    error WrongHeld(bytes32 caseId);
    /// @notice A module of the deployment has no code.
    error BadModule(uint256 number);

    event Committed(bytes32 indexed game, address indexed payer);
    event Expired(bytes32 indexed game);
    /// @notice A game was opened. `record` is its job (SPEC 08 §1) and the first 182 bytes of its state: the rest follows.
    event Opened(bytes32 indexed game, address indexed node, bytes32 indexed claimId, bytes record);
    event Moved(bytes32 indexed game, uint8 move, bytes state);
    event Posted(bytes32 indexed game, uint8 move, bytes payload);
    event Convicted(bytes32 indexed game, uint8 op, uint8 tensor, uint64 element);
    /// @notice The game was decided. `verdict` is what `resolve` wants (SPEC 08 §2.2).
    event Decided(bytes32 indexed game, uint8 move, bytes verdict);
    /// @notice The game is closed. `slashed` was taken from the node's stake and `costs` of it paid to the opener; `held`
    /// (SPEC 09 §4.4) is what `settle` wants, empty if nothing is held for the case.
    event Resolved(
        bytes32 indexed game, bytes32 indexed caseId, uint8 phase, bool voided, uint256 slashed, uint256 costs, bytes held
    );
    /// @notice What a verdict held is paid: `refund` to the user, `reward` to the winner; `burnt` of it is burned.
    event Settled(bytes32 indexed caseId, address indexed winner, uint256 refund, uint256 reward, uint256 burnt);

    /// @notice The case was declared false by its node, which had veiled it as a planted fault (SPEC 11 §5).
    event Spared(bytes32 indexed caseId);

    /// @param profile Kind of chain, which sets the ranges of the others (SPEC 09 §6): 0 devnet, 1 l2, 2 l1.
    /// @param unbonding U: seconds between the announcement and the payment of stake.
    /// @param reserve r: token units that every claim of a batch reserves.
    /// @param window W in seconds; a commit expires after W/2.
    /// @param replyTime D0 in seconds.
    /// @param grace Seconds from D1 to D2.
    /// @param forcedInclusion Seconds after which the chain includes a transaction that its sequencer refuses.
    /// @param rate Positions per second that a node must be able to re-execute.
    /// @param spaceRate Gas per second of block space that one side can count on.
    /// @param rewardDelay D3 in seconds: how long an earlier commit may still take the reward of a refuted claim.
    /// @param priceCap Gas price in wei that bonds assume at least.
    /// @param tipCap Wei per gas above the base fee that is repaid.
    /// @param tokenPerEther Token units per 1e18 wei.
    /// @param worstGas Gas of all replies in the longest branch of a game.
    /// @param workFee Token units per position of re-execution, part of the bond.
    /// @param refundFactor K: a refuted claim's user gets at most K times the price.
    /// @param guardian Who may hold up new claims; zero: nobody.
    struct Params {
        uint8 profile;
        uint64 unbonding;
        uint96 reserve;
        uint64 window;
        uint64 replyTime;
        uint64 grace;
        uint64 forcedInclusion;
        uint64 rate;
        uint64 spaceRate;
        uint64 rewardDelay;
        uint64 priceCap;
        uint64 tipCap;
        uint128 tokenPerEther;
        uint64 worstGas;
        uint128 workFee;
        uint64 refundFactor;
        address guardian;
    }

    /// @notice Locks half a base bond of the sender's credit behind a hidden challenge (SPEC 08 §4, move 1).
    function commit(bytes32 key) external;

    /// @notice Burns the half bond of a commit that was not opened in time.
    function expire(bytes32 key) external;

    /// @notice Opens the game of a commit; locks the rest of the bond out of the opener's credit.
    function open(bytes calldata payload, bytes calldata signature) external returns (bytes32 game);

    function children(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function child(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function reveal(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function stage(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function rows(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function layer(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function tensors(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function pick(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function raw(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;
    function element(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;

    /// @notice The node posts the next piece of the ids that a demand asks for (SPEC 08 §4.12).
    function publish(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;

    /// @notice The opener of a delivery takes it, or shows what a piece of it decrypts to.
    function decrypt(bytes32 game, bytes calldata state, bytes calldata payload, bytes calldata signature) external;

    /// @notice Recomputes the picked element from openings. Anyone may answer and is repaid out of the escrow.
    function answer(bytes32 game, bytes calldata state, bytes calldata payload) external;

    /// @notice Shows the batch in which the claim of a demand is (SPEC 08 §4.10). Anyone may and is repaid out of the escrow.
    function include(bytes32 game, bytes calldata state, bytes calldata payload) external;

    /// @notice Ends the turn of a side whose deadline is over; for a node between D1 and D2, voids the claim.
    function timeout(bytes32 game, bytes calldata state, bytes calldata job) external;

    /// @notice Closes a game that was decided and books its money (SPEC 09 §4).
    /// @param verdict The 162 bytes of `Decided`.
    /// @param held What the case holds: of the last `Resolved` of the case, empty before the first and after `Settled`.
    function resolve(bytes32 game, bytes calldata verdict, bytes calldata held) external;

    /// @notice Pays what the verdict on a case holds: refund, reward, and what is burned (SPEC 09 §5).
    function settle(bytes32 caseId, bytes calldata held) external;

    /// @notice Marks a case as refuted without a slash; the registry alone calls it, for planted faults.
    function spare(bytes32 caseId) external;

    /// @notice The slot: 0, a commit (block number << 64 | block time), or the hash of the state or of the verdict.
    function slots(bytes32 game) external view returns (bytes32);

    /// @notice What became of a case, which is a claim with its evidence: keccak(claim id | batch key or 0). Void: a deadline
    /// D1 was missed. `held`: the hash of what `settle` will pay, without its two lowest bits; 0 when nothing is held.
    function verdicts(bytes32 caseId) external view returns (bool voided, bool refuted, bytes32 held);

    /// @notice What a commit locks.
    function commitBond() external view returns (uint256);

    /// @notice What commit and open lock together now, against a node with `openGames` and for `work` positions.
    function bondOf(uint256 openGames, uint256 work) external view returns (uint256);

    /// @notice What `element` adds to the escrow now, where the node answers with a proof about a leaf that it withheld.
    function proofBond() external view returns (uint256);

    /// @notice The EIP-712 domain separator of requests, claims and moves.
    function domainSeparator() external view returns (bytes32);
}
