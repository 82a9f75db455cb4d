"""Gives the people of a story other names, so that a name is not learned by heart.

A few names fill the training text: "Lily" is in a quarter of the stories, and
whole openings recur with them. Trained on the text as it is, a small model
repeats those openings word for word. Renaming leaves the language alone and
lets each person be called anything; every name used occurs in the text.
"""

import re

FEMALE = """Abby Abigail Alice Amy Ann Anna Becky Bella Beth Carla Carol Chloe Cindy Claire
Clara Daisy Debby Dina Dotty Elly Ella Ellen Ellie Emily Emma Emmy Gina Grace Hannah Isabel
Jane Jen Jennifer Jenny Judy Julie Karen Kate Kim Lacy Leticia Lila Lily Lilly Lisa Lola
Louise Lucy Lulu Luna Maddy Mae Maggie Mary Maya Mia Millie Milly Mimi Molly Nancy Nora Paige
Pam Polly Rachel Rosie Ruby Sally Sandy Sara Sarah Sophie Sue Susie Suzie Suzy Tilly""".split()

MALE = """Alex Andy Ben Benny Bill Billy Bob Bobby Brad Charles Charlie Danny Dave Doug Ernie
Frank Fred Freddie Gary George Harry Henry Jack Jacob Jake James Jerry Jim Jimmy Joe Joey
John Josh Leo Marc Martin Matt Max Mike Nathan Oliver Paul Pete Peter Ralph Rex Robby Ryan
Sam Sammy Stan Steve Ted Thomas Tim Timmy Toby Tom Tommy Tony""".split()

NAME = re.compile(r"\b(?:" + "|".join(FEMALE + MALE) + r")\b")
GROUP = {name: group for group in (FEMALE, MALE) for name in group}


def rename(story, rng):
    """Replaces each name by another of its group; different people stay different."""
    present = sorted(set(NAME.findall(story)))
    chosen = {}
    for name in present:
        free = [n for n in GROUP[name] if n not in chosen.values()]
        chosen[name] = rng.choice(free)
    return NAME.sub(lambda match: chosen[match.group()], story)
