"""The environment, validated once into frozen, typed sections."""
