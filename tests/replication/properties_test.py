"""The judges are judged: each property passes the histories that keep its guarantee and fails those that break it."""

import pytest

import properties
from history import DONE, GAVE_UP, LAST_LOOK, NIL, REFUSED, SECOND, UNKNOWN, History, Loss, Outage, Record, parse

MS = SECOND // 1000


class Story:
    """A history told in milliseconds."""

    def __init__(self, population=0, populated=0):
        self.records, self.losses, self.outages = [], [], []
        self.population, self.populated = population, populated * MS

    def add(self, kind, key, sent, replied, value="-", argument="-", node=0, client=0, outcome=DONE):
        self.records.append(Record(client, kind, node, key, str(argument), int(sent * MS), int(replied * MS), outcome, str(value)))
        return self

    def lose(self, since, began, ended):
        self.losses.append(Loss(since * MS, began * MS, ended * MS, "told so"))
        return self

    def restart(self, node, began, ended):
        self.outages.append(Outage(node, began * MS, ended * MS))
        return self

    def found(self, name):
        return properties.PROPERTIES[name](History(self.records, self.losses, self.population, self.populated, self.outages))


def test_a_line_of_the_load_is_a_record():
    record = parse("3 incr 2 c:1 - 100 250 + 17")
    assert (record.client, record.kind, record.node, record.key, record.sent, record.replied) == (3, "incr", 2, "c:1", 100, 250)
    assert record.number == 17 and record.answered
    assert parse("0 signed 0 s:0 - 1 2 + 7:abcdef").number == 7
    assert parse("0 get 0 c:1 - 1 2 0 -").number == 0


# ---- G1 -----------------------------------------------------------------------------------------------------------------


def test_a_read_that_sees_the_acknowledged_number_or_a_newer_one_is_fine():
    story = Story().add("incr", "c:0", 0, 1, 1).add("get", "c:0", 2, 3, 1, node=1).add("get", "c:0", 2, 3, 5, node=2)
    assert story.found("seen-everywhere") == []


def test_a_read_that_sees_less_than_was_acknowledged_is_stale():
    story = Story().add("incr", "c:0", 0, 1, 1).add("incr", "c:0", 1, 2, 2).add("get", "c:0", 3, 4, 1, node=1)
    assert "1.000 ms" in story.found("seen-everywhere")[0]
    assert story.found("seen-at-master") == []


def test_nil_after_an_acknowledged_write_is_stale():
    story = Story().add("set", "r:1:0", 0, 1, "OK", argument=1).add("get", "r:1:0", 2, 3, outcome=NIL)
    assert len(story.found("seen-everywhere")) == len(story.found("seen-at-master")) == 1


def test_a_read_that_overlaps_the_write_may_see_either():
    story = Story().add("incr", "c:0", 0, 5, 1).add("get", "c:0", 4, 6, outcome=NIL, node=1)
    assert story.found("seen-everywhere") == []


def test_a_write_with_an_unknown_end_obliges_nobody():
    story = Story().add("set", "r:1:0", 0, 1, "OK", argument=1).add("set", "r:1:0", 2, 3, argument=2, outcome=UNKNOWN)
    story.add("get", "r:1:0", 4, 5, 1).add("get", "r:1:0", 6, 7, 2).add("get", "r:1:0", 8, 9, 1)
    assert story.found("seen-everywhere") == []


def test_a_read_that_was_refused_says_nothing():
    story = Story().add("incr", "c:0", 0, 1, 1).add("get", "c:0", 2, 3, "MASTERDOWN", outcome="!")
    assert story.found("seen-everywhere") == []


def test_an_increment_that_does_not_see_the_one_before_it_is_stale():
    story = Story().add("incr", "c:0", 0, 1, 7).add("incr", "c:0", 2, 3, 7)
    assert len(story.found("seen-everywhere")) == 1


@pytest.mark.parametrize("acknowledged, read, excused", [(5, 20, True), (1, 20, False), (5, 7, False), (14, 20, False)])
def test_a_loss_excuses_what_was_acknowledged_in_its_time_and_read_after_it_began(acknowledged, read, excused):
    story = Story().lose(3, 9, 12)
    story.add("incr", "c:0", acknowledged - 1, acknowledged, 1).add("get", "c:0", read, read + 1, outcome=NIL, node=1)
    assert (story.found("seen-everywhere") == []) == excused


def test_a_loss_does_not_excuse_what_was_acknowledged_before_it():
    story = Story().lose(3, 9, 12).add("incr", "c:0", 0, 1, 1).add("incr", "c:0", 4, 5, 2)
    assert story.add("get", "c:0", 20, 21, 1).found("seen-everywhere") == []
    assert len(story.add("get", "c:0", 22, 23, outcome=NIL).found("seen-everywhere")) == 1


def test_a_token_is_there_until_somebody_tries_to_take_it_and_gone_when_it_was_taken():
    story = Story().add("set", "t:1", 0, 1).add("get", "t:1", 2, 3, "token").add("getdel", "t:1", 4, 6, "token")
    assert story.add("get", "t:1", 5, 7, "token").add("get", "t:1", 8, 9, outcome=NIL).found("seen-everywhere") == []
    assert len(story.add("get", "t:1", 10, 11, "token", node=2).found("seen-everywhere")) == 1


def test_a_token_that_is_missing_before_anybody_tried_to_take_it_is_found():
    story = Story().add("set", "t:1", 0, 1).add("get", "t:1", 2, 3, outcome=NIL, node=1).add("getdel", "t:1", 4, 6, "token")
    assert len(story.found("seen-everywhere")) == 1


# ---- G2 -----------------------------------------------------------------------------------------------------------------


def test_each_value_to_one_client_is_fine():
    story = Story().add("getdel", "t:1", 0, 1, "token").add("getdel", "t:1", 0, 1, outcome=NIL, client=1)
    story.add("pop", "q:0", 0, 1, "a").add("pop", "q:0", 0, 1, "b", client=1).add("rest", "q:0", 9, 9, "c,d", client=LAST_LOOK)
    assert story.found("consumed-once") == []


def test_a_token_that_two_clients_were_given_is_found_though_they_overlap():
    story = Story().add("getdel", "t:1", 0, 5, "token").add("getdel", "t:1", 1, 4, "token", node=1, client=1)
    assert len(story.found("consumed-once")) == 1


def test_an_element_that_is_handed_out_twice_or_comes_back_is_found():
    story = Story().add("pop", "q:0", 0, 1, "a").add("pop", "q:0", 2, 3, "a", client=1)
    assert len(story.found("consumed-once")) == 1
    story = Story().add("pop", "q:0", 0, 1, "a").add("rest", "q:0", 9, 9, "b,a", client=LAST_LOOK)
    assert len(story.found("consumed-once")) == 1


def test_a_token_that_was_handed_out_and_is_there_in_the_end_is_found():
    story = Story().add("getdel", "t:1", 0, 1, "token").add("get", "t:1", 8, 9, outcome=NIL, client=LAST_LOOK)
    assert story.found("consumed-once") == []
    assert len(story.add("get", "t:1", 8, 9, "token", node=2, client=LAST_LOOK).found("consumed-once")) == 1


def test_the_same_element_of_two_queues_is_two():
    assert Story().add("pop", "q:0", 0, 1, "a").add("pop", "q:1", 2, 3, "a").found("consumed-once") == []


# ---- nothing lost ---------------------------------------------------------------------------------------------------------


def test_what_is_in_the_queue_or_was_handed_out_is_not_lost():
    story = Story().add("push", "q:0", 0, 1, 1, argument="a").add("push", "q:0", 1, 2, 2, argument="b").add("pop", "q:0", 3, 4, "a")
    assert story.add("rest", "q:0", 9, 9, "b", client=LAST_LOOK).found("nothing-lost") == []


def test_an_element_that_is_nowhere_is_lost_unless_a_pop_may_have_had_it():
    story = Story().add("push", "q:0", 0, 1, 1, argument="a").add("rest", "q:0", 9, 9, outcome=NIL, client=LAST_LOOK)
    assert len(story.found("nothing-lost")) == 1
    assert story.add("pop", "q:0", 2, 3, outcome=UNKNOWN).found("nothing-lost") == []


def test_only_the_last_look_tells_of_lost_numbers():
    story = Story().add("incr", "c:0", 0, 1, 1).add("get", "c:0", 2, 3, outcome=NIL, node=1)
    assert story.found("nothing-lost") == []
    assert len(story.add("get", "c:0", 8, 9, outcome=NIL, node=1, client=LAST_LOOK).found("nothing-lost")) == 1


# ---- G3 -----------------------------------------------------------------------------------------------------------------


def test_a_master_with_fewer_keys_than_there_were_is_found():
    story = Story(population=100, populated=5).add("probe", "-", 1, 2, "master:0").add("probe", "-", 6, 7, "master:100")
    assert story.add("probe", "-", 8, 9, "slave:0").add("probe", "-", 8, 9, "loading:3").found("no-empty-master") == []
    assert len(story.add("probe", "-", 10, 11, "master:99").found("no-empty-master")) == 1


def test_a_loss_of_everything_excuses_an_empty_master():
    story = Story(population=100, populated=5).add("probe", "-", 20, 21, "master:0").lose(0, 10, 15)
    assert story.found("no-empty-master") == []


# ---- G4 -----------------------------------------------------------------------------------------------------------------


def test_numbers_that_are_reached_once_are_fine():
    story = Story().add("incr", "c:0", 0, 5, 2).add("incr", "c:0", 0, 4, 1, node=1).add("incr", "c:1", 0, 4, 1)
    assert story.found("one-master") == []


def test_a_number_that_is_reached_twice_is_found_though_the_writes_overlap():
    story = Story().add("incr", "c:0", 0, 5, 1).add("incr", "c:0", 1, 4, 1, node=1, client=1)
    assert len(story.found("one-master")) == 1


def test_one_process_after_the_other_is_fine():
    story = Story().add("signed", "s:0", 0, 1, "1:aa").add("signed", "s:0", 2, 4, "2:bb").add("signed", "s:0", 3, 5, "3:bb")
    assert story.found("one-master") == []


def test_a_process_that_writes_after_its_successor_is_found():
    story = Story().add("signed", "s:0", 0, 1, "1:aa").add("signed", "s:0", 2, 3, "2:bb").add("signed", "s:0", 4, 5, "3:aa")
    assert len(story.found("one-master")) == 1


def test_writes_that_overlap_the_change_of_the_master_are_fine():
    story = Story().add("signed", "s:0", 0, 1, "1:aa").add("signed", "s:0", 2, 6, "3:bb").add("signed", "s:0", 4, 5, "2:aa")
    assert story.found("one-master") == []


# ---- G5 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent, outcome, gone, kept", [
    (50, DONE, True, True), (50, NIL, True, False), (101, DONE, True, True), (101, NIL, True, True),
    (120, NIL, True, True), (120, DONE, False, True)])
def test_a_value_is_read_until_its_deadline_and_not_after_it(sent, outcome, gone, kept):
    story = Story().add("setpx", "d:0", 0, 1, "OK", argument=100).add("get", "d:0", sent, sent + 1, 100, outcome=outcome, node=1)
    assert (story.found("expired-is-gone") == []) == gone
    assert (story.found("kept-until-deadline") == []) == kept


# ---- rolling restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node, sent, outcome, value, fine", [
    (1, 12, DONE, 1, True), (0, 12, UNKNOWN, "closed", True), (1, 12, UNKNOWN, GAVE_UP, True), (1, 30, REFUSED, "READONLY", True),
    (1, 12, REFUSED, "READONLY", False), (1, 9, UNKNOWN, "closed", False)])
def test_a_restart_is_felt_by_the_clients_of_that_node_alone(node, sent, outcome, value, fine):
    story = Story().restart(0, 10, 20).add("incr", "c:0", sent, sent + 2, value, node=node, outcome=outcome)
    assert (story.found("served-through") == []) == fine


def test_judge_names_what_was_broken():
    story = Story().add("incr", "c:0", 0, 1, 1).add("get", "c:0", 2, 3, outcome=NIL)
    history = History(story.records)
    assert list(properties.judge(history, sorted(properties.PROPERTIES))) == ["seen-at-master", "seen-everywhere"]
    assert "2 operations" in properties.summary(history)
