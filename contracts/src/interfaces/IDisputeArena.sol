// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The dispute game: clocks and money around the rules of SPEC 08
/// @notice One slot per game: the commit's record, then the hash of the game's state. Everything else is in calldata and
/// events. Nobody owns the arena; its parameters never change.
/// Moves 3 to 12 take (game, state, payload, signature). `state` is the 432 bytes of the last `Moved`; `signature` is
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
    /// @notice The signer or sender is neither the party to move nor its delegate.
    error NotParty(address who, address party);
    /// @notice The move came after the deadline.
    error TooLate(uint256 time, uint256 deadline);
    /// @notice The deadline is not over, or the flag that a timeout would set is set.
    error TooEarly(uint256 time, uint256 deadline);
    /// @notice No held reward for that claim, or it is held until a later time.
    error NothingToSettle(bytes32 claimId, uint256 settleAt);
    /// @notice A parameter of the deployment is out of range.
    error BadParameter(string name, uint256 value);

    event Committed(bytes32 indexed game, address indexed payer);
    event Expired(bytes32 indexed game);
    event Opened(bytes32 indexed game, address indexed node, bytes32 indexed claimId, bytes job);
    event Moved(bytes32 indexed game, uint8 move, bytes state);
    event Posted(bytes32 indexed game, uint8 move, bytes payload);
    event Convicted(bytes32 indexed game, uint8 op, uint8 tensor, uint64 element);
    /// @notice The game is closed. `slashed` splits into `costs` (to the opener), `refund` (to the user), `reward` (held
    /// until `Settled`) and the rest, which is burned.
    event Resolved(
        bytes32 indexed game,
        bytes32 indexed claimId,
        uint8 phase,
        bool voided,
        uint256 slashed,
        uint256 costs,
        uint256 refund,
        uint256 reward
    );
    event Settled(bytes32 indexed claimId, address indexed winner, uint256 reward);

    /// @param window W in seconds; a commit expires after W/2.
    /// @param replyTime D0 in seconds.
    /// @param grace Seconds from D1 to D2.
    /// @param rate Positions per second that a node must be able to re-execute.
    /// @param rewardDelay D3 in seconds: how long an earlier commit may still take the reward of a refuted claim.
    /// @param priceCap Gas price in wei that bonds assume at least.
    /// @param tipCap Wei per gas above the base fee that is repaid.
    /// @param tokenPerEther Token units per 1e18 wei.
    /// @param worstGas Gas of all replies in the longest branch of a game.
    /// @param workFee Token units per position of re-execution, part of the bond.
    /// @param refundFactor K: a refuted claim's user gets at most K times the price.
    struct Params {
        uint64 window;
        uint64 replyTime;
        uint64 grace;
        uint64 rate;
        uint64 rewardDelay;
        uint64 priceCap;
        uint64 tipCap;
        uint128 tokenPerEther;
        uint64 worstGas;
        uint128 workFee;
        uint64 refundFactor;
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

    /// @notice Recomputes the picked element from openings. Anyone may answer and is repaid out of the escrow.
    function answer(bytes32 game, bytes calldata state, bytes calldata payload) external;

    /// @notice Ends the turn of a side whose deadline is over; for a node between D1 and D2, voids the claim.
    function timeout(bytes32 game, bytes calldata state) external;

    /// @notice Closes a game that was decided and books its money (SPEC 09 §4).
    function resolve(bytes32 game, bytes calldata state, bytes calldata job) external;

    /// @notice Pays the held reward of a refuted claim to its earliest committer among the winners.
    function settle(bytes32 claimId) external;

    /// @notice The slot: 0, a commit (block number << 64 | block time), or the hash of the state.
    function slots(bytes32 game) external view returns (bytes32);

    /// @notice What became of a claim: void (a deadline D1 was missed), refuted, and the held reward.
    function verdicts(bytes32 claimId)
        external
        view
        returns (address winner, uint40 committedAt, uint40 settleAt, bool voided, bool refuted, uint128 reward);

    /// @notice What a commit locks.
    function commitBond() external view returns (uint256);

    /// @notice What commit and open lock together now, against a node with `openGames` and for `work` positions.
    function bondOf(uint256 openGames, uint256 work) external view returns (uint256);

    /// @notice The EIP-712 domain separator of requests, claims and moves.
    function domainSeparator() external view returns (bytes32);
}
