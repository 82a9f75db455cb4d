// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Audits that pay on an honest day (SPEC 11)
/// @notice Auditors hold seats with deposits. A beacon draws claims of a batch, and for each two seats. Their holders compute
/// the claim, commit, and reveal after a second round has drawn which leaf of their own, address-salted trace they open. Who
/// says that a claim is true signs it as its own: an attestation, which the arena judges like every claim. Nodes pay the fees;
/// nobody owns the contract, and its parameters never change.
interface IAudits {
    error BadParameter(string name, uint256 value);
    /// @notice That seat is not the sender's, is left, or is not free yet.
    error BadSeat(uint256 seat);
    /// @notice The batch is not posted, was entered before, or lasts longer than deposits are locked.
    error BadBatch(bytes32 batch);
    /// @notice The node's fees do not pay one audit.
    error Unfunded(address node, uint256 fees);
    /// @notice The sender was not drawn for that place, or the beacon's round is not posted.
    error NotDrawn(uint256 draw, uint256 place);
    /// @notice The step comes before or after its time.
    error OutOfTime(uint256 time, uint256 from, uint256 to);
    /// @notice The place has another status than the call needs.
    error BadStatus(uint256 status);
    /// @notice The reveal is not what was committed.
    error WrongReveal(bytes32 got);
    /// @notice The payload is about another claim than the one that was drawn.
    error WrongClaim(uint256 got, uint256 want);
    /// @notice The opening leads to another root.
    error WrongRoot(bytes32 got, bytes32 want);
    /// @notice A graph model of one stage: its only output is served, so that nothing shows who computed it.
    error NothingHidden();
    error Insufficient(address account, uint256 has, uint256 needs);
    error TransferFailed(uint256 amount);

    event Joined(uint256 indexed seat, address indexed auditor);
    event Left(uint256 indexed seat, uint256 time);
    event Reclaimed(uint256 indexed seat, uint256 amount);
    event FeesPaid(address indexed node, uint256 amount);
    /// @notice `drawn` claims of a batch are audited.
    event Entered(address indexed node, bytes32 indexed root, uint256 drawn);
    event AuditCommitted(bytes32 indexed audit, address indexed auditor);
    /// @notice What an auditor says. `caseId` is what its pay depends on: of its attestation where it says true, of the node's
    /// claim where it says false. `signature` is that of the attestation, 65 bytes, else empty.
    event Revealed(
        bytes32 indexed audit,
        address indexed auditor,
        address indexed node,
        bytes32 root,
        uint256 draw,
        uint8 verdict,
        bytes32 caseId,
        bytes signature
    );
    /// @notice A place is settled: `paid` to the auditor, `burnt` of its deposit gone, `bounty` of it to `winner`.
    event Closed(bytes32 indexed audit, address indexed auditor, uint256 paid, uint256 burnt, address winner, uint256 bounty);

    /// @param delay Seconds from the posting of a batch to the time of the round that draws.
    /// @param commitTime Seconds from that round to the last commit.
    /// @param revealTime Seconds from the second round to the last reveal.
    /// @param gameTime Seconds that a game takes at most.
    /// @param unbonding Seconds from leaving a seat to the return of its deposit.
    /// @param every One claim of a batch is drawn for so many, rounded up.
    /// @param fee Token units for each of the two audits of a drawn claim.
    /// @param reward Token units for an audit that found a false claim, beside the fee.
    /// @param deposit Token units behind a seat.
    /// @param forfeit Token units that an auditor loses who was drawn and did not show up.
    struct Params {
        uint64 delay;
        uint64 commitTime;
        uint64 revealTime;
        uint64 gameTime;
        uint64 unbonding;
        uint64 every;
        uint128 fee;
        uint128 reward;
        uint128 deposit;
        uint128 forfeit;
    }

    /// @notice Takes a seat for the sender: a free one, or the next.
    function join(uint256 seat) external;

    /// @notice Ends a seat: batches that are posted from now on do not draw it.
    function quit(uint256 seat) external;

    /// @notice Returns the deposit of a seat that was left long enough ago.
    function reclaim(uint256 seat) external;

    /// @notice Pays fees for a node's audits in advance. Anybody may.
    function payFees(address node, uint256 amount) external;

    /// @notice Announces that fees shall go back to the node, the sender.
    function requestFees(uint256 amount) external;

    /// @notice Books announced fees as credit after `unbonding`, as far as they are still there.
    function withdrawFees() external;

    /// @notice Pays the sender's credit out.
    function withdraw(uint256 amount) external;

    /// @notice Has a batch audited; anybody may, until the commits end. Locks fee and reward of all its audits.
    function enter(address node, bytes32 root) external;

    /// @notice Commits to keccak(auditor | audit | verdict | salted root | nonce).
    function commit(address node, bytes32 root, uint256 draw, uint256 place, bytes32 hash) external;

    /// @notice Reveals a verdict: 1 true, 2 false, 3 could not check. `open` is a payload of open (SPEC 08 §7.2) with the batch
    /// as evidence (1, 2), `proof` the opening of the drawn leaf and the signature of the attestation (1).
    function reveal(
        address node,
        bytes32 root,
        uint256 draw,
        uint256 place,
        uint8 verdict,
        bytes32 saltedRoot,
        bytes32 nonce,
        bytes calldata open,
        bytes calldata proof
    ) external;

    /// @notice Settles a place. Anybody may.
    /// @param caseId That of `Revealed`; 0 if nothing was revealed.
    /// @param held What the arena holds for that case, of which the winner gets half the deposit; may be empty.
    function close(address node, bytes32 root, uint256 draw, uint256 place, bytes32 caseId, bytes calldata held) external;

    /// @notice The drawn claim's place in the batch and the seat that audits it; the holder is 0 while nobody is to audit.
    function drawOf(address node, bytes32 root, uint256 draw, uint256 place)
        external
        view
        returns (uint256 index, uint256 seat, address auditor);

    /// @notice The rounds of a batch and the last times to commit and reveal.
    function timesOf(address node, bytes32 root)
        external
        view
        returns (uint256 round, uint256 commitBy, uint256 opening, uint256 revealBy);
}
