#!/bin/sh
# Takes the document as JSON and gives it back with another house number.
exec sed 's/"c":"12"/"c":"14"/'
