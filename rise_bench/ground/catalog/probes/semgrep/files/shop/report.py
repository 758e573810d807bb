import subprocess

import yaml


def settings(path):
    with open(path) as file:
        return yaml.load(file)


def report(name):
    subprocess.call("make-report " + name, shell=True)
