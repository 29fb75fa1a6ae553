"""The message types of a parcel service, each in a folder of its own."""
