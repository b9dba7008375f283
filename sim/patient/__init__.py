"""What can befall one patient, without clock or queue: streams of luck and the fates they make."""
